"""What the README shows is run here, word for word."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULE = "imgstore_folder.py"
USE = """
from imgstore_folder import FolderDriver

driver = FolderDriver(path=".")
with driver.open_writer("image", size=5) as writer:
    writer.write(b"hello")
    writer.commit()
with driver.open_reader("image", start=1, stop=4) as reader:
    print(reader.read(9))
driver.delete("image")
"""
CONTRACT = """
import os

import pytest
from imgstore.testing import AtomicCreation, DriverContract, Subject
from imgstore_folder import FolderDriver


class FolderSubject(Subject):
    def __init__(self, path):
        self.path = path
        os.mkdir(path)
        os.mkdir(f"{path}.2")

    def open(self):
        return FolderDriver(path=str(self.path))

    def broken(self):
        return FolderDriver(path=f"{self.path}.gone")

    def neighbour(self):
        return FolderDriver(path=f"{self.path}.2")

    def server(self):
        return None

    def inventory(self):
        return set(os.listdir(self.path))


class TestFolder(AtomicCreation, DriverContract):
    @pytest.fixture
    def subject(self, tmp_path):
        return FolderSubject(tmp_path / "folder")
"""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def _run(where: Path, command: Sequence[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=where, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_example_of_embedding_runs_as_it_stands(tmp_path: Path) -> None:
    (example, _), (ini,) = _blocks("python"), _blocks("ini")
    (tmp_path / "imgstore.conf").write_text(ini.replace("/srv/images", str(tmp_path / "images")))
    (tmp_path / "host.py").write_text(example)
    told = _run(tmp_path, ["host.py"])
    assert "sha512 309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f" in told
    assert (tmp_path / "images" / "7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e").read_bytes() == b"hello world"


def test_the_example_of_a_driver_stores_and_reads(tmp_path: Path) -> None:
    (tmp_path / MODULE).write_text(_blocks("python")[1])
    assert _run(tmp_path, ["-c", USE]) == "b'ell'\n"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [MODULE]


@pytest.mark.long
def test_the_example_of_a_driver_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / MODULE).write_text(_blocks("python")[1])
    (tmp_path / "test_folder.py").write_text(CONTRACT)
    _run(tmp_path, ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_folder.py"])
