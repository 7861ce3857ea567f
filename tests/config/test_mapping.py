"""A configuration from a mapping is that of the ini file which says the same, with the same refusals."""

from __future__ import annotations

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


def test_refusals_are_those_of_a_file(tmp_path: Path) -> None:
    good = sections(tmp_path)
    cases: list[tuple[Any, str]] = [
        ({}, "[imgstore] enabled_stores: no store is enabled."),
        (sections(tmp_path, datadri="x"), "[Fast] datadri: no such option (in the mapping). Did you mean 'datadir'?"),
        ({**good, "quick": {"datadir": "/x"}}, "[quick]: no such section (in the mapping)."),
        ({**good, "host": {"names": "a", "pin": "hunter2"}}, "[host] pin: the value is not valid."),
        (sections(tmp_path, weight="much"), "[fast] weight: 'much' is not valid."),
        (sections(tmp_path, description="a\nb"), "[fast] description: the value has a line break."),
        ({**good, "fast": "no"}, "[fast]: it is not a mapping of options."),
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
