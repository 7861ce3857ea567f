"""The service as a process, and OpenStack's own clients as programs, each in an environment of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import ServiceProcess

PATIENCE = 120.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A process of its own, with the filesystem stores `fast` and `slow`. Clients send no project: it is `default`."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file with the data of an image."""
    path = tmp_path / "image.raw"
    path.write_bytes(random.Random(7).randbytes(300_000))
    return path


class Programs:
    """Runs programs that must succeed; `environments`: what each is told besides, by its name."""

    def __init__(self, home: Path, environments: Mapping[str, Mapping[str, str]]) -> None:
        self._home = home
        self._environments = environments

    def run(self, *command: str, pipe: Path | None = None) -> str:
        """The standard output; `pipe`: the file that comes through a pipe on standard input."""
        executable = str(Path(sys.executable).parent / command[0])
        with subprocess.Popen(["cat", str(pipe or os.devnull)], stdout=subprocess.PIPE) as source:
            done = subprocess.run(
                [executable, *command[1:]], stdin=source.stdout, capture_output=True, text=True, timeout=PATIENCE,
                check=False, cwd=self._home, env=self._environment(command[0]),
            )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _environment(self, program: str) -> dict[str, str]:
        common = {"PATH": os.environ["PATH"], "HOME": str(self._home), "LC_ALL": "C.UTF-8"}
        return {**common, **self._environments[program]}

    def json(self, *command: str, pipe: Path | None = None) -> Any:
        """The standard output, as the JSON that `-f json` makes."""
        return json.loads(self.run(*command, "-f", "json", pipe=pipe))


@pytest.fixture
def programs(service: ServiceProcess, tmp_path: Path) -> Programs:
    """What finds the service by its address, without Keystone."""
    home = tmp_path / "home"
    home.mkdir()
    url = service.client.url
    environments = {
        "glance": {"OS_IMAGE_URL": url, "OS_AUTH_TOKEN": "none"},
        "openstack": {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": url},
        "python": {"PYTHONPATH": str(ROOT)},
    }
    return Programs(home, environments)
