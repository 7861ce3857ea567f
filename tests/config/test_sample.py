"""What is shipped in etc/ and shown in doc/ is what the code says, and works."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from oslo_config import cfg, generator

from imgstore import config
from imgstore.config.options import OPTIONS, STORE_OPTIONS
from imgstore.driver.capabilities import HasPlace
from imgstore.driver.place import new_mark
from tests.support.in_process import on_path
from tests.support.packages import install

ROOT = Path(__file__).parent.parent.parent
ETC = ROOT / "etc"


OF_MEMORY = "from imgstore.drivers.memory import MemoryDriver\nclass Driver(MemoryDriver):\n    OPTIONS = "
BROKEN = {
    "absent": "import absent_robots",
    "leaving": "raise SystemExit(3)",
    "odd": f"{OF_MEMORY}None",
    "old": "from imgstore.drivers.memory import MemoryDriver\nclass Driver(MemoryDriver):\n    def _stat(self): ...",
    "failing": f"{OF_MEMORY}property(None)",
}
SERVED = ("GlanceStoreDriver", "S3Driver", "SwiftDriver")
"""Drivers whose check needs a server; what a server makes of them is tested where there is one."""


def build(tmp_path: Path, text: str) -> list[tuple[str, str, str]]:
    """The stores of a configuration whose absolute paths are moved below `tmp_path`, checked unless that needs a
    server."""
    path = tmp_path / "imgstore.conf"
    path.write_text(re.sub(r"(?m)^(datadir = )/", rf"\1{tmp_path}/", text))
    stores = config.build_stores(config.load([str(path)]))
    for store in stores:
        if type(store.driver).__name__ not in SERVED:
            if isinstance(store.driver, HasPlace):  # those of read-only stores, too
                store.driver.write_mark(new_mark())
            store.check()
    stores.close()
    return [(store.identifier, type(store.driver).__name__, store.description) for store in stores]


def test_the_sample_is_what_the_generator_makes_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tmp_path / "sample"
    with monkeypatch.context() as patch:
        # The generator turns logging on for the whole process.
        patch.setattr(logging, "basicConfig", lambda **_: None)
        generator.main(["--config-file", str(ETC / "oslo-config-generator.conf"), "--output-file", str(made)])
    assert made.read_text() == (ETC / "imgstore.conf.sample").read_text(), (
        "run from the top of the tree: oslo-config-generator --config-file etc/oslo-config-generator.conf"
    )


def test_every_option_has_help_and_a_driver_is_an_example_section() -> None:
    groups = {str(getattr(group, "name", group)): options for group, options in config.list_opts()}
    assert list(groups) == ["imgstore", "ssd", "my-fsspec", "my-glance_store", "my-memory", "my-s3", "my-swift"]
    assert {option.dest for option in groups["ssd"]} >= {"datadir", "description", "weight", "read_only"}
    assert all(option.help and option.help.endswith(".") for options in groups.values() for option in options)


def test_the_sample_says_what_is_required_and_names_a_driver_that_cannot_be_loaded(tmp_path: Path) -> None:
    points = []
    for name, code in BROKEN.items():
        (tmp_path / f"broken_{name}.py").write_text(code)
        points.append(f"{name} = broken_{name}:Driver")
    install(tmp_path, "broken-drivers", entry_points=points)
    with on_path(tmp_path):
        (own, _), *examples = config.list_opts()
    assert len(examples) == 6
    assert [name for name in BROKEN if f"driver '{name}' " not in str(vars(own)["help"])] == []
    options = [option for _, options in examples for option in options]
    required = {option.dest for option in options if option.required}
    marked = {option.dest for option in options if str(option.help).endswith(" Required.")}
    assert required == marked == {"datadir", "bucket", "driver", "url"}


def test_the_sample_with_every_default_switched_on_is_a_good_configuration(tmp_path: Path) -> None:
    lines = (ETC / "imgstore.conf.sample").read_text().splitlines()
    options = [re.sub(r"^#(\w+ =)", r"\1", line) for line in lines if not line.endswith("<None>")]
    stores = (
        "ssd:filesystem, my-fsspec:fsspec, my-glance_store:glance_store, my-memory:memory, my-s3:s3, my-swift:swift"
    )
    text = "\n".join(options).replace("enabled_stores =", f"enabled_stores = {stores}")
    text = text.replace("[my-glance_store]", "[my-glance_store]\ndriver = rbd")
    text = text.replace("[my-fsspec]", "[my-fsspec]\nurl = memory://images")
    text = text.replace("[my-s3]", "[my-s3]\nbucket = images")
    account = "auth_url = https://keystone.invalid/v3\nusername = a\npassword = b\nproject_name = c"
    text = text.replace("[my-swift]", f"[my-swift]\n{account}")
    text = text.replace("[ssd]", "[ssd]\ndatadir = /ssd").replace("[imgstore]", "[imgstore]\ndefault_store = ssd")
    assert [name for name, _, _ in build(tmp_path, text)] == [pair.partition(":")[0] for pair in stores.split(", ")]


def test_the_minimal_configuration_works(tmp_path: Path) -> None:
    assert build(tmp_path, (ETC / "imgstore-minimal.conf").read_text()) == [("main", "FilesystemDriver", "")]


def test_the_examples_of_the_documentation_work(tmp_path: Path) -> None:
    blocks = re.findall(r"```ini\n(.*?)```", (ROOT / "doc" / "configuration.md").read_text(), re.DOTALL)
    assert [[name for name, _, _ in build(tmp_path, block)] for block in blocks] == [["main"], ["fast", "archive"]]


def test_the_documentation_names_every_option_of_the_service_and_of_all_stores() -> None:
    text = (ROOT / "doc" / "configuration.md").read_text()
    options: list[cfg.Opt] = [*OPTIONS, *STORE_OPTIONS]
    assert [option.name for option in options if f"`{option.name}`" not in text] == []
