"""Third-party packages made for a test: real metadata on `sys.path`, for this process or one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imgstore import config, errors
from tests.support.in_process import on_path

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
from tests.support.packages import begin
print(json.dumps({**vars(begin(sys.argv[1])), "modules": sorted(sys.modules)}))
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


def begin(config_file: str) -> Start:
    """Loads a configuration, builds its stores and checks them."""
    try:
        stores = config.build_stores(config.load([config_file]))
        stores.check()
    except errors.ConfigurationError as error:
        return Start(refused=str(error), section=error.section, option=error.option)
    return Start({store.identifier: type(store.driver).__name__ for store in stores})


def start(config_file: Path, *sites: Path) -> Start:
    """The same with the folders `sites` on the path."""
    with on_path(*sites):
        return begin(str(config_file))


def start_process(config_file: Path, *sites: Path) -> Start:
    """The same in a process of its own, which tells its modules, too."""
    paths = os.pathsep.join(map(str, [*sites, ROOT]))
    environment = {**os.environ, "PYTHONPATH": paths, "HOME": str(config_file.parent / "home")}
    environment.pop("XDG_CACHE_HOME", None)
    command = [sys.executable, "-W", "error", "-c", FAR_FROM_TMP + _START, str(config_file)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return Start(**json.loads(run.stdout))
