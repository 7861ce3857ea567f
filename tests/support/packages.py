"""Third-party packages made for a test: real metadata on `sys.path`, seen by a Python of its own.

A process of its own because stevedore and Python keep what they have found, and because a start that fails ends one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

DRIVER = """
from imgstore.drivers.memory import MemoryDriver
class Driver(MemoryDriver):
    pass
"""

FAR_FROM_TMP = "import sys; sys.executable = '/far' + sys.executable\n"
"""stevedore keeps no file where Python is below /tmp, as it may be here: so that a test sees what happens elsewhere."""

_START = """
import json
from imgstore import config, errors
try:
    stores = config.build_stores(config.load(sys.argv[1:]))
    stores.check()
    answer = {"built": {store.identifier: type(store.driver).__name__ for store in stores}}
except errors.ConfigurationError as error:
    answer = {"refused": str(error), "section": error.section, "option": error.option}
print(json.dumps({**answer, "modules": sorted(sys.modules)}))
"""


@dataclass(frozen=True)
class Start:
    """How a start ended: the drivers' classes by store, or the line that refused it."""

    built: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    section: str | None = None
    option: str | None = None
    modules: Sequence[str] = ()


def install(
    site: Path, distribution: str, *, entry_points: Sequence[str] = (), code: str = "", metadata: Sequence[str] = ()
) -> None:
    """Puts a distribution into the folder `site`: a module of its name (- as _) and its `.dist-info`."""
    site.mkdir(exist_ok=True)
    module = distribution.replace("-", "_")
    if code:
        (site / f"{module}.py").write_text(code)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "\n".join(["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.0", *metadata, ""])
    )
    (info / "entry_points.txt").write_text("\n".join(["[imgstore.drivers]", *entry_points, ""]))


def start(config: Path, *sites: Path) -> Start:
    """Loads `config` and builds and checks its stores, with the folders `sites` on the path."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [*sites, ROOT])),
        "HOME": str(config.parent / "home"),
    }
    environment.pop("XDG_CACHE_HOME", None)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", FAR_FROM_TMP + _START, str(config)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return Start(**json.loads(run.stdout))
