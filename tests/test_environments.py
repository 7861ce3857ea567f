"""What each extra installs, in an environment of its own: enough for its modules, and nothing of another extra."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgstore.distribution import NAME
from tests.support.environments import Environment, run
from tests.test_extras import HOME, NOTHING, brought_by, extras, named_by, normal

EXTRAS = (NOTHING, "sql", "prometheus", "otel")
"""Those that a host takes by themselves. What the others bring is read from their metadata (`test_extras`)."""


pytestmark = pytest.mark.xdist_group("environments")  # two builds in one tree would take each other's files


@pytest.mark.long
@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_its_modules_need_and_nothing_of_another(extra: str, wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path)
    environment.make()
    environment.install(f"{NAME}[{extra}] @ file://{wheel}" if extra else wheel)
    run(environment.python, "-W", "error", "-c", f"import {', '.join(HOME[extra])}")
    installed = set(map(normal, environment.installed())) - {NAME}
    named = set[str]().union(*(named_by(other) for other in extras() if other != NOTHING))
    assert installed & named <= brought_by(extra)
    assert named_by(extra) <= installed
