"""Makes a wheel of the driver guide's example at a commit: `python -m tests.config.wheels.freeze COMMIT VERSION`.

The same commit gives the same bytes: the times in the archive are those of no clock.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
NAME = "imgstore_shelf"
TIME = (2026, 11, 29, 0, 0, 0)


def freeze(commit: str, version: str) -> Path:
    """The wheel."""
    guide = subprocess.run(["git", "show", f"{commit}:doc/drivers.md"], capture_output=True, text=True, check=True)
    code = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```$", guide.stdout, re.MULTILINE | re.DOTALL))[f"{NAME}.py"]
    info = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: imgstore-shelf\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: freeze\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[imgstore.drivers]\nshelf = {NAME}:ShelfDriver\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    wheel = HERE / f"{NAME}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, TIME), text, zipfile.ZIP_DEFLATED)
    return wheel


if __name__ == "__main__":
    freeze(*sys.argv[1:])
