"""What an ini file says by its lines, where oslo.config would take it for something else.

oslo.config takes an indented line for more of the value above, and a `#` behind a value for a part of it. So an option
that was indented becomes the name of a directory, and a remark a part of a password. Here both are refused, with the
line, before any value is used. Files that begin with a byte order mark are read. Lines are stripped and split as
oslo.config does it, so that both see the same.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg, iniparser, types

from imgstore.driver.plain_text import Blemish, blemish
from imgstore.errors import ConfigurationError

FREE_TEXT = frozenset({"description"})
"""Options whose values are for people, and may have a '#' after a blank as a secret may."""

_STRUCTURE = re.compile(r"\[[\w.-]+\]$|[\w.-]+\s*=|([\w.-]+)\s*:")
"""A section or an option; the name of one with a colon, which an item of a list may have too."""


class IniParser(cfg.ConfigParser):
    """oslo.config's parser for files in UTF-8, with a byte order mark or without."""

    def parse(self) -> None:  # type: ignore[override]  # as the one that it overrides
        """Raises OSError, UnicodeDecodeError, ParseError."""
        with open(self.filename, encoding="utf-8-sig") as file:
            iniparser.BaseParser.parse(self, file.readlines())


@contextlib.contextmanager
def any_byte_order_mark() -> Iterator[None]:
    """Inside, oslo.config reads its files as `IniParser` does. It has no place for another parser, and before 9.7 none
    can stand under the name of its own."""
    theirs = cfg.ConfigParser.parse
    cfg.ConfigParser.parse = IniParser.parse  # type: ignore[assignment,method-assign]  # put back below
    try:
        yield
    finally:
        cfg.ConfigParser.parse = theirs  # type: ignore[method-assign]  # as it was


def section_key(section: str) -> str:
    """The section, however its name is written: its case does not matter to oslo.config, except for DEFAULT."""
    return section if section == "DEFAULT" else section.lower()


def spellings(section: str, option: cfg.Opt) -> Iterator[str]:
    """The names that an option has in a section, deprecated ones too."""
    yield option.dest
    for old in option.deprecated_opts:
        if old.group in (None, section):
            yield old.name or option.dest


def value_blemish(option: cfg.Opt, value: Any) -> Blemish | None:
    """What is wrong with an option's value, or with an item of it."""
    free = bool(option.secret) or option.dest in FREE_TEXT
    return next((found for text in _texts(value) if (found := blemish(text, free=free))), None)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for each in pair for text in _texts(each))
    elif isinstance(value, (list, tuple)):
        yield from (text for each in value for text in _texts(each))


def refuse_swallowed_lines(path: str, known: Mapping[str, Mapping[str, cfg.Opt]]) -> None:
    """Raises ConfigurationError for a line of a file that would become a part of another option's value. `known`: the
    options by the sections' names in lower case; lines of other sections are somebody else's."""
    section, option = "", None
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            text, place = line.rstrip(), _Line(path, number, section)
            if text.startswith("["):
                section, option = text[1:-1].lower(), None
            elif not text or text.startswith(("#", ";")):
                option = None
            elif not text.startswith((" ", "\t")):
                name, value = (part.strip() for part in re.split(r"[:=]", text, maxsplit=1))
                option = known.get(section, {}).get(name)
                _refuse_value(option, value, place)
            elif option is not None:
                _refuse_continuation(option, text.strip(), place, known[section])


@dataclass(frozen=True)
class _Line:
    """Where a line is."""

    path: str
    number: int
    section: str

    def refusal(self, option: cfg.Opt, problem: str, cure: str) -> ConfigurationError:
        """The error that names the line."""
        return ConfigurationError(
            f"line {self.number} of {self.path} {problem}", section=self.section, option=option.name, cure=cure
        )


def _refuse_continuation(option: cfg.Opt, text: str, line: _Line, siblings: Mapping[str, cfg.Opt]) -> None:
    if not _takes_lines(option) or text.startswith(("#", ";")) or _is_structure(text, siblings):
        raise line.refusal(
            option,
            "is indented, so it would be a part of this option's value.",
            "Begin the line at its margin, or join it with the line above.",
        )
    _refuse_value(option, text, line)


def _refuse_value(option: cfg.Opt | None, written: str, line: _Line) -> None:
    if option is None:
        return
    value, quoted = _unquoted(written)
    found = value_blemish(option, value)
    if found is not None and not (found.remark and quoted):
        raise line.refusal(option, found.problem, found.cure)


def _unquoted(text: str) -> tuple[str, bool]:
    """The value as oslo.config takes it, and whether one pair of quotes is around all of it."""
    if text and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1], text[0] not in text[1:-1]
    return text, False


def _is_structure(text: str, siblings: Mapping[str, cfg.Opt]) -> bool:
    """Whether an indented line was meant as a section or an option."""
    found = _STRUCTURE.match(text)
    return found is not None and (found[1] is None or found[1] in siblings)


def _takes_lines(option: cfg.Opt) -> bool:
    """Whether a value of several lines has a meaning."""
    return isinstance(option.type, (types.List, types.Dict))
