"""What the value of an option never has: a remark for people, a line break, a character that nobody sees, a backslash
that is to join it with the next line.

A parser that takes the rest of a line as the value lets all of them in; a directory then has a name that nobody meant.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_REMARK = re.compile(r"(?:^|\s)[#;]")
_LINE_BREAK = re.compile(r"[\n\r]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")
_BLANKS = " \t"


@dataclass(frozen=True)
class Blemish:
    """What is wrong with a value, without the value, and the cure. `remark`: it may be meant if it is in quotes."""

    problem: str
    cure: str
    remark: bool = False


JOIN = Blemish("ends in a backslash, which joins no lines.", "Write the value in one line, without the backslash.")
BREAK = Blemish("has a line break.", "Write the value in one line, a list with commas between its items.")
CONTROL = Blemish("has a control character.", "Remove it; retype the line.")
INVISIBLE = Blemish("has a character that cannot be seen.", "Remove it; retype the line.")
REMARK = Blemish(
    "has a remark behind the value, which would be a part of it.",
    "Remove the remark; a file may have it on a line of its own.",
    remark=True,
)


def blemish(text: str, *, free: bool = False) -> Blemish | None:
    """What is wrong with `text`. `free`: it is a secret or for people, so that '#', ';' and joiners may be meant."""
    if not free and _REMARK.search(text):
        return REMARK
    if _LINE_BREAK.search(text):
        return BREAK
    if not free and text.endswith("\\"):
        return JOIN
    if _CONTROL.search(text):
        return CONTROL
    return INVISIBLE if _odd_blank_at_an_end(text) or (not free and _formatted(text)) else None


def _odd_blank_at_an_end(text: str) -> bool:
    """Whether a blank at an end is none of the keyboard's, such as the non-breaking one."""
    return text.strip(_BLANKS) != text.strip()


def _formatted(text: str) -> bool:
    """Whether a character only shapes its neighbours: of no width, or one that turns the direction."""
    return not text.isascii() and any(unicodedata.category(each) == "Cf" for each in text)
