"""A configuration from a mapping is that of the ini file which says the same, with the same refusals."""

from __future__ import annotations

import enum
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg

from imgstore import config
from imgstore.config.values import Sections
from imgstore.errors import ConfigurationError

EXTRA = {"host": [cfg.StrOpt("token", secret=True), cfg.ListOpt("names"), cfg.IntOpt("pin", secret=True)]}


def sections(directory: Path, **fast: Any) -> dict[str, dict[str, Any]]:
    own = {"enabled_stores": ["fast:filesystem", "scratch:memory"], "default_store": "fast"}
    return {"imgstore": own, "Fast": {"datadir": directory, **fast}}


def refusal(wanted: Sections) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        config.from_mapping(wanted, extra=EXTRA)
    assert "hunter2" not in str(caught.value)
    return caught.value


def test_values_may_be_of_their_type_or_text_and_none_is_nothing(tmp_path: Path) -> None:
    for weight, quota in ((7, 2 * 1024), ("7", "2KiB")):
        wanted = sections(tmp_path, weight=weight, project_quota=quota, description=None)
        conf = config.from_mapping({**wanted, "host": {"token": "a $b #c", "names": ("x", "y")}}, extra=EXTRA)
        stores = config.build_stores(conf)
        store = stores.resolve("fast")
        assert (store.weight, store.project_quota, store.description) == (7, 2048, "")
        assert len(stores) == 2
        assert (conf.host.token, conf.host.names) == ("a $b #c", ["x", "y"]), "a mapping has no names and no remarks"


class Several(enum.Enum):
    ALL = "all"


class Secret:
    """As pydantic's: its text is not its content."""

    def __str__(self) -> str:
        return "*****"

    def get_secret_value(self) -> str:
        return "a $b"


class Url:
    """As pydantic's."""

    def unicode_string(self) -> str:
        return "https://s3.example.org/"


def test_each_kind_of_value_is_what_its_text_is_in_a_file(tmp_path: Path) -> None:
    own = {
        "enabled_stores": ("fast:filesystem",), "project_quota_exceptions": {"p": "1KiB", "q": 0}, "checksum": 0,
        "several_stores": Several.ALL, "max_image_size": 1e12, "default_store": None,
    }  # fmt: skip
    fast = {"datadir": tmp_path, "weight": Decimal(3), "read_only": True, "description": 7, "max_wait": 2}
    wanted: dict[str, Any] = {
        "imgstore": own,
        "fast": fast,
        "slow": None,
        "host": {"token": Secret(), "names": [Url()]},
    }
    conf = config.from_mapping(wanted, extra=EXTRA)
    assert conf.imgstore.project_quota_exceptions == {"p": 1024, "q": 0}
    assert (conf.imgstore.max_image_size, conf.imgstore.checksum) == (10**12, False)
    assert (conf.imgstore.several_stores, conf.host.token) == ("all", "a $b")
    assert conf.host.names == ["https://s3.example.org/"]
    store = config.build_stores(conf).resolve("fast")
    assert (store.weight, store.read_only, store.description, store.bulkhead.max_wait) == (3, True, "7", 2.0)


def test_what_no_file_can_say_is_refused_by_its_type_and_not_guessed(tmp_path: Path) -> None:
    ours: list[tuple[str, object]] = [
        ("max_image_size", True), ("project_quota_exceptions", {"p": {"size": 1}}), ("enabled_stores", [["a:memory"]]),
        ("enabled_stores", {"a": "memory"}), ("enabled_stores", iter(["a:memory"])), ("several_stores", False),
        ("checksum", b"true"),
    ]  # fmt: skip
    for option, value in ours:
        good = sections(tmp_path)
        line = str(refusal({**good, "imgstore": {**good["imgstore"], option: value}}))
        assert line.startswith(f"[imgstore] {option}: a value of type "), line
    for value, line in ((1.5, "1.5 is not valid."), (math.nan, "nan is not valid"), (math.inf, "inf is not valid")):
        option = "weight" if value == 1.5 else "max_wait"
        assert str(refusal(sections(tmp_path, **{option: value}))).startswith(f"[fast] {option}: {line}")
    nested: Any = {"datadir": tmp_path}
    assert "[imgstore] fast: no such option" in str(
        refusal({"imgstore": {"enabled_stores": "a:memory", "fast": nested}})
    )
    assert "as 'Fast' too" in str(refusal({**sections(tmp_path), "FAST": {"weight": 1}}))
    pairs: Any = [("imgstore", {})]
    assert "is not a mapping of sections" in str(refusal(pairs))


def test_refusals_are_those_of_a_file(tmp_path: Path) -> None:
    good = sections(tmp_path)
    cases: list[tuple[Any, str]] = [
        ({}, "[imgstore] enabled_stores: no store is enabled."),
        (sections(tmp_path, datadri="x"), "[Fast] datadri: no such option (in the mapping). Did you mean 'datadir'?"),
        ({**good, "quick": {"datadir": "/x"}}, "[quick]: no such section (in the mapping)."),
        ({**good, "host": {"names": "a", "pin": "hunter2"}}, "[host] pin: the value is not valid."),
        (sections(tmp_path, weight="much"), "[fast] weight: 'much' is not valid."),
        (sections(tmp_path, description="a\nb"), "[fast] description: the value has a line break."),
        ({**good, "Fast": "no"}, "[Fast]: it is not a mapping of options."),
    ]
    for wanted, line in cases:
        assert str(refusal(wanted)).startswith(line), str(refusal(wanted))


def test_the_environment_wins_and_its_misspelt_variables_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_FAST__WEIGHT", "3")
    monkeypatch.setenv("OS_OTHERS__DATADRI", "not ours")
    stores = config.build_stores(config.from_mapping(sections(tmp_path, weight=7)))
    assert stores.resolve("fast").weight == 3
    monkeypatch.setenv("OS_FAST__DATADRI", "/x")
    line = "[fast] datadri: no such option (the variable OS_FAST__DATADRI). Did you mean 'datadir'?"
    assert str(refusal(sections(tmp_path))).startswith(line)
    file = tmp_path / "imgstore.conf"
    file.write_text(f"[imgstore]\nenabled_stores = fast:filesystem\n[fast]\ndatadir = {tmp_path}\n")
    with pytest.raises(ConfigurationError, match="the variable OS_FAST__DATADRI"):
        config.load([str(file)])


MISSPELT = {
    "OS_FSAT__DATADIR": "[fsat]: no such section (the variable OS_FSAT__DATADIR). Did you mean 'OS_FAST__DATADIR'?",
    "OS_fast__DATADIR": "[fast]: no such section (the variable OS_fast__DATADIR). Did you mean 'OS_FAST__DATADIR'?",
    "OS_FAST__datadir": "[fast] datadir: no such option (the variable OS_FAST__datadir). Write it as OS_FAST__DATADIR.",
    "OS_IMGSTOR__CHECKSUM": "[imgstor]: no such section (the variable OS_IMGSTOR__CHECKSUM). Did you mean 'OS_IMGST",
}
THEIRS = ("OS_OTHERS__DATADIR", "OS_FSAT__REGION", "OS_FAST2__DATADIR", "OS_AUTH_URL", "FAST__DATADIR")


def test_a_variable_whose_section_is_misspelt_is_refused_and_somebody_elses_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THEIRS:
        monkeypatch.setenv(name, "not ours")
    config.from_mapping(sections(tmp_path))
    for name, line in MISSPELT.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, "x")
            assert str(refusal(sections(tmp_path))).startswith(line), str(refusal(sections(tmp_path)))
