"""What some tests need of the machine: a program or a file that Python cannot bring along.

`pytestmark = needs("qemu-img", why="real images are made with it")`. Where the program is missing the tests are left
out, and the summary says so with the cure; in continuous integration (CI=true) they fail. The hooks
are in `tests/hooks.py`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

CURES = {
    "qemu-img": "apt-get install qemu-utils",
    "grub-rescue-pc": "apt-get install grub-rescue-pc",
    "curl": "apt-get install curl",
    "postgres": "apt-get install postgresql",
    "nginx": "apt-get install nginx-light",
    "haproxy": "apt-get install haproxy",
    "promtool": "apt-get install prometheus",
    "systemd-analyze": "apt-get install systemd",
    "mariadbd": "apt-get install mariadb-server",
    "radosgw": "apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common",
}
SERVER_DIRECTORIES = ("/usr/sbin", "/usr/local/sbin")
POSTGRESQL = Path("/usr/lib/postgresql")
REAL_ISO = Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")


@dataclass(frozen=True)
class Need:
    """A program or a file, why some tests need it, and how it is found."""

    program: str
    why: str
    find: Callable[[str], object] = shutil.which

    @property
    def met(self) -> bool:
        """Whether it is there."""
        return bool(self.find(self.program))

    def left_out(self, count: int) -> str:
        """The line of the summary for `count` tests."""
        cure = CURES.get(self.program, f"install {self.program}")
        return f"{count} tests left out: {self.program} is missing ({self.why}); cure: {cure}"


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
    """Marks what starts a server, which Debian keeps where the PATH of an ordinary user does not lead."""
    return pytest.mark.needs(Need(program, why, find_server))


def needs_real_iso() -> pytest.MarkDecorator:
    """Marks what needs REAL_ISO: a bootable, hybrid ISO with a partition table, as installers have it."""
    return pytest.mark.needs(Need("grub-rescue-pc", "its rescue CD is a real, bootable ISO", _find_iso))


def _find_iso(package: str) -> bool:
    return REAL_ISO.is_file()
