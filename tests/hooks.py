"""Pytest's hooks for the whole suite: which tier a test belongs to, in which order the tests run, and what is left out.

`long` is written at a test, and follows where it uses a real Keystone; `server` follows from what it uses (see
`tests/support/tiers.py`). Tests that need a program which is missing are left out loudly (see `tests/needs.py`).
"""

from __future__ import annotations

import collections
import contextlib
import gc
import os
from collections.abc import Generator
from typing import Any

import pytest

from tests.needs import Need
from tests.support import tiers

MARKERS = (
    "needs(need): left out where a program is missing",
    "server: starts a process or listens; left out by `make check`, and found without being told",
    "long: a long form, run by `make test-long`; a short one of the same law is in `make test`",
)
LEFT_OUT = pytest.StashKey["collections.Counter[Need]"]()
TOLD = pytest.StashKey[list[str]]()
GUARD = pytest.StashKey[tiers.Guard]()
CI = os.environ.get("CI") == "true"
KEYSTONE = frozenset({"keystone", "keystone_swift"})
LINES = "imgstore_left_out"
LARGE = frozenset(
    {
        "keystone", "rgw", "glance", "tests/contract/test_swift.py", "tests/crash/test_service_killed.py",
        "tests/crash/test_zombie.py", "tests/image_api/test_openapi.py", "tests/ledger/test_under_load.py",
        "tests/s3/test_contract.py", "tests/test_environments.py",
    }
)  # fmt: skip
"""Groups that take a minute or more. They come first, so that at the end no process waits for one."""


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[LEFT_OUT] = collections.Counter()
    gc.disable()  # until all tests are collected: nearly all that is made until then stays
    if "not server" in config.option.markexpr:
        config.stash[GUARD] = tiers.Guard()


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the markers, and xdist at the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _sort_into_tiers(items)
    if CI:
        return
    missing = [(item, unmet) for item in items if (unmet := _unmet(item))]
    for _, needs in missing:
        config.stash[LEFT_OUT].update(needs)
    if missing:
        left_out = [item for item, _ in missing]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.enable()
    gc.freeze()  # tests that collect garbage look at what they made, and not at all modules and tests again
    _check_groups(session)


def _check_groups(session: pytest.Session) -> None:
    """A group's tests share what they start. pytest 9.2 hides groups from pytest-xdist 3.8, which then spreads them."""
    if session.config.option.__dict__.get("loadgroup"):
        spread = [
            item.nodeid for item in session.items if item.get_closest_marker("xdist_group") and "@" not in item.nodeid
        ]
        if spread:
            raise pytest.UsageError(
                f"pytest-xdist does not see the group of {spread[0]}: take the pytest of setup.cfg."
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    guard = item.config.stash.get(GUARD, None)
    with guard.armed() if guard else contextlib.nullcontext():
        return (yield)


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


def _sort_into_tiers(items: list[pytest.Item]) -> None:
    """Marks the tests, and puts first what takes long."""
    for item in items:
        if isinstance(item, pytest.Function):
            if not KEYSTONE.isdisjoint(item.fixturenames):
                item.add_marker("long")
            if tiers.starts_something(item):
                item.add_marker("server")
                if group := tiers.group(item):
                    item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args[0] in LARGE:
        return 0
    return 1 if item.get_closest_marker("server") or item.get_closest_marker("long") else 2


def _unmet(item: pytest.Item) -> set[Need]:
    needs = {need for mark in item.iter_markers("needs") for need in mark.args}
    return {need for need in needs if not need.met}


def _lines(config: pytest.Config) -> list[str]:
    return [need.left_out(count) for need, count in config.stash[LEFT_OUT].items()]
