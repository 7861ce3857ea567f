"""What an ini file says by its lines, where oslo.config would take it for something else.

oslo.config takes an indented line for more of the value above, and a `#` behind a value for a part of it. So an option
that was indented becomes the name of a directory, and a remark a part of a password. Here both are refused, with the
line, before any value is used. Files that begin with a byte order mark are read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

from oslo_config import cfg, iniparser, types

from imgstore.errors import ConfigurationError

FREE_TEXT = frozenset({"description"})
"""Options whose values are for people, and may have a '#' after a blank as a secret may."""

_REMARK = re.compile(r"\s[#;]")
_ASSIGNMENT = re.compile(r"\s+[\w.-]+\s*=")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_QUOTED = re.compile(r"(['\"]).*\1")


class IniParser(cfg.ConfigParser):
    """oslo.config's parser for files in UTF-8, with a byte order mark or without."""

    def parse(self) -> None:  # type: ignore[override]  # as the one that it overrides
        """Raises OSError, UnicodeDecodeError, ParseError."""
        with open(self.filename, encoding="utf-8-sig") as file:
            iniparser.BaseParser.parse(self, file.readlines())


@contextlib.contextmanager
def any_byte_order_mark() -> Iterator[None]:
    """Inside, oslo.config reads its files by `IniParser`. It has no place for another parser."""
    theirs = cfg.ConfigParser
    cfg.ConfigParser = IniParser  # type: ignore[misc]  # put back below
    try:
        yield
    finally:
        cfg.ConfigParser = theirs  # type: ignore[misc]  # as it was


def refuse_swallowed_lines(path: str, known: Mapping[str, Mapping[str, cfg.Opt]]) -> None:
    """Raises ConfigurationError for a line of a file that would become a part of another option's value. `known`: the
    options by the sections' names in lower case; lines of other sections are somebody else's."""
    section, option = "", None
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            text = line.rstrip()  # of every blank, as oslo.config does
            if text.startswith("["):
                section, option = text[1:-1].lower(), None
            elif not text or text.startswith(("#", ";")):
                option = None if not text else option
            elif text[0] not in " \t":
                name, value = (part.strip() for part in re.split(r"[:=]", text, maxsplit=1))
                option = known.get(section, {}).get(name)
                _refuse_value(option, value, section, f"line {number} of {path}")
            elif option is not None:
                _refuse_continuation(option, text, section, f"line {number} of {path}")


def _refuse_continuation(option: cfg.Opt, text: str, section: str, where: str) -> None:
    if _ASSIGNMENT.match(text) or text.lstrip().startswith(("#", ";")) or not _takes_lines(option):
        raise ConfigurationError(
            f"{where} is indented, so it would be a part of this option's value.",
            section=section,
            option=option.name,
            cure="Begin the line at its margin, or join it with the line above.",
        )
    _refuse_value(option, text.strip(), section, where)


def _refuse_value(option: cfg.Opt | None, text: str, section: str, where: str) -> None:
    if option is None:
        return
    if _REMARK.search(text) and not (option.secret or option.dest in FREE_TEXT or _QUOTED.fullmatch(text)):
        raise ConfigurationError(
            f"{where} has a remark behind the value, which would be a part of it.",
            section=section,
            option=option.name,
            cure="Put the remark on a line of its own.",
        )
    if _CONTROL.search(text):
        raise ConfigurationError(
            f"{where} has a control character.", section=section, option=option.name, cure="Remove it; retype the line."
        )


def _takes_lines(option: cfg.Opt) -> bool:
    """Whether a value of several lines has a meaning."""
    return not option.secret and isinstance(option.type, (types.List, types.Dict))
