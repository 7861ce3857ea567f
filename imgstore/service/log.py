"""The log of the service: one line for each event, whatever is in it, as text or as JSON.

What a client, a store or a database says cannot begin a line of its own: what does not print is written as an escape.
The fields of the access log have no blank and no quote in them, so that a program can take them apart. Loggers of other
packages tell their warnings and errors; what they tell besides is not the service's, and may hold a secret.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler

OURS = "imgstore"
TEXT, JSON = "text", "json"
LEVELS = ("ERROR", "WARNING", "INFO", "DEBUG")
FIELDS = "access"
"""The attribute of a record of the access log that has its fields."""
PROBE = "probe"
"""The attribute of a record that tells of a probe which went well."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`level` of our own records; `form`: TEXT or JSON; `probes`: whether requests of probes that went well are told;
    `others`: the level of other packages' records."""

    level: str = "INFO"
    form: str = TEXT
    probes: bool = True
    others: str = "WARNING"


def configure(settings: LogSettings, *, request_id: Callable[[], str], stream: TextIO | None = None) -> None:
    """Sends the log to standard error, or to `stream`; may be called again. `request_id`: that of the request which a
    thread serves."""
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(JsonLines(request_id) if settings.form == JSON else TextLines(request_id))
    if not settings.probes:
        handler.addFilter(lambda record: not getattr(record, PROBE, False))
    root = logging.getLogger()
    for former in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(settings.others)
    logging.getLogger(OURS).setLevel(settings.level)


def level_of(settings: LogSettings, *, verbose: int = 0, quiet: bool = False) -> LogSettings:
    """The settings as the command line changes them: `-q`, `-v`, `-vv`."""
    if quiet:
        return LogSettings("WARNING", settings.form, settings.probes, "ERROR")
    if verbose:
        return LogSettings("DEBUG", settings.form, settings.probes, "INFO" if verbose > 1 else settings.others)
    return settings


class _Handler(_StreamHandler):
    """Ours, which a second call of `configure` replaces."""


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.123+01:00 INFO logger request message`. A traceback follows in the same line."""

    def __init__(self, request_id: Callable[[], str]) -> None:
        super().__init__()
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        trace = _trace(record)
        words = [_time(record), record.levelname, record.name, self._request_id(), record.getMessage()]
        return one_line(" ".join([*words, f"| {trace}"] if trace else words))


class JsonLines(logging.Formatter):
    """An object in each line. A record of the access log has its fields apart as well."""

    def __init__(self, request_id: Callable[[], str]) -> None:
        super().__init__()
        self._request_id = request_id

    def format(self, record: logging.LogRecord) -> str:
        """One line, in ASCII."""
        event: dict[str, object] = {
            "time": _time(record), "level": record.levelname, "logger": record.name, "request": self._request_id(),
            "process": record.process, "message": record.getMessage(),
        }  # fmt: skip
        if trace := _trace(record):
            event["exception"] = trace
        return json.dumps({**event, **getattr(record, FIELDS, {})})


def one_line(text: str) -> str:
    """`text` with an escape for whatever does not print, a line break among them."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc).astimezone()
    return moment.isoformat(timespec="milliseconds")


def _trace(record: logging.LogRecord) -> str:
    return logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
