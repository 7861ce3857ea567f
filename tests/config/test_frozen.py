"""The promise of the SPI, on drivers that were built long ago (`tests/config/wheels`)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from imgstore import driver
from imgstore.config import list_opts
from imgstore.config.former_names import PLACES, SPI_HOME
from imgstore.distribution import version
from tests.cli.support import run_here
from tests.support.databases import in_memory
from tests.support.in_process import on_path

WHEELS = Path(__file__).parent / "wheels"
OLDEST = WHEELS / "imgstore_shelf-0.1.0-py3-none-any.whl"
WHAT_TO_CHANGE = (
    f"driver 'shelf' (imgstore_shelf:ShelfDriver) was built for another version of imgstore: version {version()} "
    "(SPI 1) has no imgstore.seam. What it was is now in imgstore.driver.storage_failures. "
    "Report it to the driver's author, or use another driver."
)


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "imgstore.conf"
    with tempfile.TemporaryDirectory(dir=in_memory()) as quick:
        path.write_text(f"[imgstore]\nenabled_stores = archive:shelf\n[archive]\npath = {quick}/shelf.db\n")
        yield path


@pytest.mark.parametrize("command", [("check",), ("serve",), ("ls",)])
def test_a_driver_of_the_first_interface_is_told_in_one_line_what_to_change(
    configuration: Path, command: tuple[str, ...]
) -> None:
    done = run_here(configuration.parent, os.environ.copy(), [*command, "--config-file", str(configuration)], OLDEST)
    assert (done.status, done.out) == (2, b"")
    assert done.err == f"imgstore: [imgstore] enabled_stores: {WHAT_TO_CHANGE}\n"


def test_the_sample_tells_it_and_has_the_other_drivers() -> None:
    with on_path(OLDEST):
        (own, _), *examples = list_opts()
    assert isinstance(own, cfg.OptGroup)
    assert WHAT_TO_CHANGE in (own.help or "")
    assert {group.name for group, _ in examples if isinstance(group, cfg.OptGroup)} >= {"ssd", "my-s3", "my-memory"}


@pytest.mark.parametrize("built", ["0.1.9", "0.2.0"])
def test_a_driver_of_a_later_interface_keeps_every_law(configuration: Path, built: str) -> None:
    wheel = WHEELS / f"imgstore_shelf-{built}-py3-none-any.whl"
    command = ["check", "--prove", "archive", "--config-file", str(configuration), "-f", "json"]
    done = run_here(configuration.parent, os.environ.copy(), command, wheel)
    assert (done.status, done.err) == (0, "")
    assert [row["result"] for row in json.loads(done.out)].count("holds") == 11


def test_what_has_taken_the_place_of_a_former_name_is_there() -> None:
    names = {place.removeprefix(SPI_HOME).removeprefix(".") for place in PLACES.values()} - {""}
    assert names <= set(driver.__all__)
