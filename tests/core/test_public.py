"""What the package names is there, though nothing of it is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import imgstore
assert [name for name in sys.modules if name.startswith("imgstore.")] == []
for name in set(imgstore.__all__) - {"__version__"}:
    assert getattr(imgstore, name).__name__ == name
assert not hasattr(imgstore, "nothing")
"""


def test_what_is_public_is_loaded_when_it_is_asked_for() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
