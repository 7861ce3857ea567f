"""The loggers of client libraries: what a driver's errors say already is not said again, in a library's own words.

paramiko logs a traceback, line by line, of each connection that is refused; httpx a line with the whole URL of each
request. An operator who wants that sets the logger's level by the logging configuration, and then it is left alone.
"""

from __future__ import annotations

import logging


def quiet(level: int, *loggers: str) -> None:
    """From now on these loggers say nothing below `level`, unless somebody has set theirs."""
    for name in loggers:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(level)
