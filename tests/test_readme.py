"""What the README shows is run here, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def _block(language: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 1, f"the README has one {language} block"
    return str(blocks[0])


def test_the_example_of_embedding_runs_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "imgstore.conf").write_text(_block("ini").replace("/srv/images", str(tmp_path / "images")))
    (tmp_path / "host.py").write_text(_block("python"))
    run = subprocess.run(
        [sys.executable, "-W", "error", "host.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "sha512 309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f" in run.stdout
    assert (tmp_path / "images" / "7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e").read_bytes() == b"hello world"
