"""Values of Python as oslo.config takes those of a file: their text, or lists and mappings of texts.

Text is text as it is meant: a dollar sign begins no name. A number, a path and the value of an enumeration are their
text; a secret or a URL of pydantic is its content. What a file cannot say is refused and not guessed: a truth value
where there is none, a fraction of a byte, something nested, bytes, any other object.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from oslo_config import cfg, types


class NotPlain(TypeError):
    """What stands there has no text. The message names its type, never its value."""

    def __init__(self, value: object) -> None:
        super().__init__(f"a value of type {type(value).__name__}")


def plain(option: cfg.Opt, value: object) -> Any:
    """`value` for the option. Raises TypeError, ValueError."""
    kind = option.type
    if isinstance(kind, types.Dict) and isinstance(value, Mapping):
        return {_text(None, name): kind.value_type(_text(kind.value_type, each)) for name, each in value.items()}
    if (option.multi or isinstance(kind, types.List)) and not isinstance(value, str):
        return [_text(getattr(kind, "item_type", kind), each) for each in _items(value)]
    return [_text(kind, value)] if option.multi else _text(kind, value)


def _items(value: object) -> Sequence[object]:
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return value
    raise NotPlain(value)


def _text(kind: object, value: object) -> bool | str:
    if isinstance(value, enum.Enum):
        value = value.value
    for reveal in ("get_secret_value", "unicode_string"):  # of a secret and a URL of pydantic
        if callable(content := getattr(value, reveal, None)):
            value = content()
    if isinstance(value, bool):
        if isinstance(kind, types.Boolean):
            return value
        raise NotPlain(value)
    return _text_of_scalar(kind, value)


def _text_of_scalar(kind: object, value: object) -> str:
    if isinstance(value, float) and value.is_integer() and not isinstance(kind, types.Float):
        value = int(value)  # 1e12 bytes
    if not isinstance(value, (str, int, float, Decimal, PurePath)):
        raise NotPlain(value)
    return str(value).replace("$", "$$")
