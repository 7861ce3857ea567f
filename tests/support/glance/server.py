"""Glance for tests: SQLite, no Keystone, and everybody may do everything. It is in `.venv/glance`.

`prepared` makes a database and a policy once; each server has a copy of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.child import Child, python_of
from tests.support.client import Client
from tests.support.running import Running

LAUNCH = Path(__file__).with_name("launch.py")
PATIENCE = 120.0
RESERVED = ("os_glance_staging_store", "os_glance_tasks_store")

SOMEBODY = {"X-Identity-Status": "Confirmed", "X-Project-Id": "project", "X-User-Id": "user", "X-Roles": "admin"}
"""What Keystone's middleware would say of a client."""

Options = Mapping[str, Mapping[str, object]]


class GlanceClient(Client):
    """Requests of somebody."""

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {**SOMEBODY, **super()._headers(headers)}


def prepared(root: Path) -> Path:
    """A new directory below `root` with the database and the policy."""
    directory = root / "prepared"
    directory.mkdir()
    (directory / "glance-api.conf").write_text(f"[database]\nconnection = sqlite:///{directory}/glance.sqlite\n")
    command = [str(python_of("glance")), "-I", str(LAUNCH), str(directory), "prepare"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
    return directory


class GlanceServer(Running):
    """One Glance; use it as a context manager. `backends`: its stores as `{"fast:imgstore_file": {"datadir": ...}}`,
    the first one the default; `options`: more sections; `server`: uwsgi or gunicorn."""

    def __init__(
        self, root: Path, prepared: Path, backends: Options, *, options: Options | None = None, server: str = "uwsgi"
    ) -> None:
        self.root = root
        self.server = server
        root.mkdir(exist_ok=True)
        for name in ("policy.yaml", "glance.sqlite"):
            if not (root / name).exists():
                shutil.copy(prepared / name, root)
        sections = {**_sections(root, backends), **{name.partition(":")[0]: each for name, each in backends.items()}}
        for section, values in (options or {}).items():
            sections[section] = {**sections.get(section, {}), **values}
        (root / "glance-api.conf").write_text(_written(sections))
        self.client: Client = GlanceClient("http://127.0.0.1:1")
        self._child: Child | None = None

    @property
    def log(self) -> str:
        """What it has said since its last start."""
        return (self.root / "glance.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """The process that leads the session in which all of its processes are."""
        assert self._child is not None
        return self._child.process.pid

    @property
    def staging(self) -> Path:
        """Where imports wait."""
        return self.root / RESERVED[0]

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._child = Child(LAUNCH, str(self.root), self.server, name="glance", root=self.root)
        self.client = GlanceClient(f"http://127.0.0.1:{self._child.port}")

    def kill(self) -> None:
        """SIGKILL to all of its processes, in the middle of whatever they do."""
        os.killpg(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """Ends it, if it runs."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()


def _sections(root: Path, backends: Options) -> dict[str, Mapping[str, object]]:
    paste = python_of("glance").parent.parent / "etc" / "glance" / "glance-api-paste.ini"
    (root / "paste.ini").write_text(paste.read_text().replace(" unauthenticated-context rootapp", " context rootapp"))
    for name in RESERVED:
        (root / name).mkdir(exist_ok=True)
    return {
        "DEFAULT": {
            "enabled_backends": ", ".join(backends),
            "enabled_import_methods": "[glance-direct,web-download,copy-image]",
            "worker_self_reference_url": "http://127.0.0.1",
        },
        "glance_store": {"default_backend": next(iter(backends)).partition(":")[0]},
        "oslo_concurrency": {"lock_path": root},
        "database": {"connection": f"sqlite:///{root}/glance.sqlite"},
        "paste_deploy": {"config_file": root / "paste.ini"},
        "oslo_policy": {"policy_file": root / "policy.yaml"},
        "import_filtering_opts": {"allowed_hosts": "[127.0.0.1]", "allowed_ports": "[]"},
        **{name: {"filesystem_store_datadir": root / name} for name in RESERVED},
    }


def _written(sections: Mapping[str, Mapping[str, object]]) -> str:
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in values.items()), ""]
    return "\n".join(lines)
