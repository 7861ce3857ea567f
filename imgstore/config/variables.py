"""Variables of the environment that were meant for an option and reach none. oslo.config ignores them; here each is
refused, as a misspelt option of a file is.

`OS_FAST__DATADIR` is [fast] datadir. What begins with another section's name is somebody else's, unless it is nearly
one of ours and the option is one of that section.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from oslo_config import cfg

from imgstore.config.inifiles import spellings
from imgstore.config.registry import suggestion
from imgstore.errors import ConfigurationError

_VARIABLE = re.compile(r"OS_(.+?)__(.+)", re.IGNORECASE)
_NEARLY = 0.75
"""How like another name a misspelt one is: two letters of four that changed their places are."""


def refuse_unknown_variables(known: Mapping[str, Sequence[cfg.Opt]]) -> None:
    """Raises ConfigurationError for a variable that names no option of a section in `known`."""
    sections = {
        name.upper(): (name, {spelling.upper() for option in options for spelling in spellings(name, option)})
        for name, options in known.items()
        if options
    }
    for variable in os.environ:
        match = _VARIABLE.fullmatch(variable)
        if match is not None:
            _refuse_unknown(variable, match[1], match[2], sections)


def _refuse_unknown(variable: str, section: str, option: str, sections: Mapping[str, tuple[str, set[str]]]) -> None:
    if section not in sections:
        meant = next(_meant(section, option, sections), None)
        if meant is not None:
            raise ConfigurationError(
                f"no such section (the variable {variable}). Did you mean '{meant}'?",
                section=section.lower(),
                cure="Correct or unset it.",
            )
    elif option not in sections[section][1]:
        name, options = sections[section]
        names = sorted(each.lower() for each in options)
        same = option.upper() in options
        question = f"Write it as OS_{section}__{option.upper()}." if same else suggestion(option.lower(), names)
        raise ConfigurationError(
            f"no such option (the variable {variable}). {question}",
            section=name,
            option=option.lower(),
            cure=f"Correct or unset it; there are: {', '.join(names)}.",
        )


def _meant(section: str, option: str, sections: Mapping[str, tuple[str, set[str]]]) -> Iterator[str]:
    """The variables that one of an unknown section may have been meant for."""
    for close in difflib.get_close_matches(section.upper(), sections, cutoff=_NEARLY):
        numbered = _without_digits(close) == _without_digits(section.upper()) and close != section.upper()
        if option.upper() in sections[close][1] and not numbered:
            yield f"OS_{close}__{option.upper()}"


def _without_digits(name: str) -> str:
    """Names that differ in a number are those of two stores."""
    return re.sub(r"\d", "", name)
