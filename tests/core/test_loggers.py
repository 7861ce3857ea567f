"""The loggers of client libraries say nothing of what a driver's error says already, unless an operator wants it."""

from __future__ import annotations

import logging

from imgstore.driver import quiet
from imgstore.drivers.fsspec import FsspecDriver

NAME = "imgstore-test-of-loggers"


def test_a_logger_is_quiet_unless_somebody_set_its_level() -> None:
    logger = logging.getLogger(NAME)
    quiet(logging.CRITICAL, NAME)
    assert not logger.isEnabledFor(logging.ERROR)
    logger.setLevel(logging.DEBUG)
    quiet(logging.CRITICAL, NAME)
    assert logger.isEnabledFor(logging.DEBUG)


def test_the_clients_that_fsspec_uses_are_quiet() -> None:
    FsspecDriver(url="memory://quiet").close()
    loud = [name for name in ("paramiko.transport", "httpx") if logging.getLogger(name).isEnabledFor(logging.INFO)]
    assert loud == []
