"""Hooks of the whole suite: tests that need a program which is missing are left out loudly (see `tests/needs.py`).

The fixtures of `tests/support/fixtures.py` are there for all tests. Those on a real Keystone, in files that are called
`test_keystone*.py`, run where there is one: `make test-keystone` builds it and says where.
"""

from __future__ import annotations

import collections
import os
from typing import Any

import pytest

from tests.needs import Need
from tests.support.database_fixtures import database_kind, database_url, no_renewals_left, servers, tables
from tests.support.keystone import ENVIRONMENT

__all__ = ["database_kind", "database_url", "no_renewals_left", "servers", "tables"]

collect_ignore_glob = [] if os.environ.get(ENVIRONMENT) else ["*/test_keystone*.py"]
pytest_plugins = ["tests.support.fixtures"]

LEFT_OUT = pytest.StashKey["collections.Counter[Need]"]()
TOLD = pytest.StashKey[list[str]]()
CI = os.environ.get("CI") == "true"
LINES = "imgstore_left_out"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(need): left out where a program is missing")
    config.stash[LEFT_OUT] = collections.Counter()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if CI:
        return
    missing = [(item, unmet) for item in items if (unmet := _unmet(item))]
    for _, needs in missing:
        config.stash[LEFT_OUT].update(needs)
    if missing:
        left_out = [item for item, _ in missing]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if CI and (unmet := _unmet(item)):
        pytest.fail("\n".join(need.left_out(1) for need in unmet), pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes tells the one that reports; each of them looked at all tests."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[LINES] = _lines(session.config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[TOLD] = getattr(node, "workeroutput", {}).get(LINES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = _lines(config) or config.stash.get(TOLD, [])
    if lines:
        terminalreporter.section("left out", yellow=True)
        for line in lines:
            terminalreporter.write_line(line, yellow=True)


def _unmet(item: pytest.Item) -> set[Need]:
    needs = {need for mark in item.iter_markers("needs") for need in mark.args}
    return {need for need in needs if not need.met}


def _lines(config: pytest.Config) -> list[str]:
    return [need.left_out(count) for need, count in config.stash[LEFT_OUT].items()]
