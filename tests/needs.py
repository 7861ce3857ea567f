"""What some tests need of the machine: a program or a file that Python cannot bring along.

`pytestmark = needs("qemu-img", why="real images are made with it")`. Where the program is missing the tests are left
out, and the summary says so with the cure; in continuous integration (CI=true) they fail. The
hooks are in `tests/conftest.py`.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

CURES = {
    "qemu-img": "apt-get install qemu-utils",
    "grub-rescue-pc": "apt-get install grub-rescue-pc",
    "curl": "apt-get install curl",
    "postgres": "apt-get install postgresql",
    "mariadbd": "apt-get install mariadb-server",
}
SERVER_DIRECTORIES = ("/usr/sbin", "/usr/local/sbin")
POSTGRESQL = Path("/usr/lib/postgresql")


REAL_ISO = Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")


@dataclass(frozen=True)
class Need:
    """A program, and why some tests need it."""

    program: str
    why: str

    @property
    def met(self) -> bool:
        """Whether the program is on the PATH."""
        return shutil.which(self.program) is not None

    @property
    def cure(self) -> str:
        """What to do where it is missing."""
        return CURES.get(self.program, f"install {self.program}")

    def left_out(self, count: int) -> str:
        """The line of the summary for `count` tests."""
        return f"{count} tests left out: {self.program} is missing ({self.why}); cure: {self.cure}"


@dataclass(frozen=True)
class FileNeed(Need):
    """A file that a Debian package (`program`) brings."""

    path: Path

    @property
    def met(self) -> bool:
        """Whether the file is there."""
        return self.path.is_file()


@dataclass(frozen=True)
class ServerNeed(Need):
    """A server, which Debian keeps where the PATH of an ordinary user does not lead."""

    @property
    def met(self) -> bool:
        """Whether the server is installed."""
        return find_server(self.program) is not None


def find_server(program: str) -> Path | None:
    """Where a server, or a program that comes with it, is; of several versions of PostgreSQL the newest."""
    versions = sorted(POSTGRESQL.glob("*/bin"), key=_version, reverse=True)
    places = [os.environ.get("PATH", ""), *SERVER_DIRECTORIES, *map(str, versions)]
    found = shutil.which(program, path=os.pathsep.join(places))
    return None if found is None else Path(found)


def _version(directory: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", directory.parent.name)]


def needs(program: str, *, why: str) -> pytest.MarkDecorator:
    """Marks a test, a class or (as `pytestmark`) a module."""
    return pytest.mark.needs(Need(program, why))


def needs_server(program: str, *, why: str) -> pytest.MarkDecorator:
    """Marks what starts a server of its own."""
    return pytest.mark.needs(ServerNeed(program, why))


def needs_real_iso() -> pytest.MarkDecorator:
    """Marks what needs REAL_ISO: a bootable, hybrid ISO with a partition table, as installers have it."""
    return pytest.mark.needs(FileNeed("grub-rescue-pc", "its rescue CD is a real, bootable ISO", REAL_ISO))
