"""A driver's options: each is declared once, with its help, as a field of a frozen dataclass.

    @dataclass(frozen=True, kw_only=True)
    class Settings(Options):
        directory: str = option(cfg.StrOpt, required=True, help="Where the images are.")
        chunk_size: int = size_option(default=MIB, min=4096, help="Most bytes of one read.")

    class Driver(StoreDriver):
        OPTIONS = Settings.options()

        def __init__(self, **options: Any) -> None:
            self._settings = Settings(**options)

A size is a number of bytes, or one with a binary suffix (`10GiB`, `1 TiB`). Only suffixes that mean one thing are
taken: `10G` and `10GB` are 10^9 to one person and 2^30 to the next, so they are refused rather than guessed. The value
that the library sees is always an integer of bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from oslo_config import cfg, types

from imgstore import errors

_SUFFIXES = ("", "KiB", "MiB", "GiB", "TiB", "PiB")
_FACTORS = {suffix.lower(): 1024**power for power, suffix in enumerate(_SUFFIXES)}
_SIZE = re.compile(r"([0-9]+) ?([a-z]*)", re.ASCII)


class Size(types.Integer):
    """The type of an option that is a size: `min` and `max` are in bytes."""

    def __init__(self, *, min: int | None = 0, max: int | None = None) -> None:  # noqa: A002 - the names of oslo.config
        super().__init__(min=min, max=max, type_name="size in bytes, or with a suffix as in 10GiB")

    def __call__(self, value: Any) -> int | float | None:
        """The size in bytes; None for an empty value. Raises ValueError."""
        return super().__call__(parse(value) if isinstance(value, str) and value.strip() else value)


def parse(text: str) -> int:
    """Bytes of a size such as `1073741824`, `1GiB` or `1 gib`. Raises ValueError."""
    match = _SIZE.fullmatch(text.strip().lower())
    factor = None if match is None else _FACTORS.get(match[2])
    if match is None or factor is None:
        raise ValueError(f"a size is a number of bytes, or one with {', '.join(_SUFFIXES[1:])}")
    number: int = int(match[1]) * factor
    return number


def size_opt(name: str, *, default: int | None = None, min: int = 0, max: int | None = None, help: str) -> cfg.Opt:  # noqa: A002 - as above
    """An option that is a size, for the library's own sections and for drivers."""
    return cfg.Opt(name, type=Size(min=min, max=max), default=default, help=help)


def option(kind: type[cfg.Opt], *, default: Any = None, help: str, **more: Any) -> Any:  # noqa: A002 - as above
    """A field of `Options`: an option of that kind, under the field's name. `more` is what `kind` takes besides: type,
    choices, min, max, required, secret."""
    shown = list(default) if isinstance(default, tuple) else default  # of a list, which no dataclass has as a default
    make = functools.partial(kind, default=shown, help=help, **more)
    return dataclasses.field(default=default, metadata={"option": make}, repr=not more.get("secret", False))


def size_option(*, default: int | None = None, min: int = 0, max: int | None = None, help: str) -> Any:  # noqa: A002 - as above
    """A field of `Options` that is a size in bytes."""
    return option(cfg.Opt, default=default, help=help, type=Size(min=min, max=max))


class Declared(tuple[cfg.Opt, ...]):
    """The options of a driver whose `__init__` takes `**options` and hands them to an `Options`."""


class HasOptions(Protocol):
    """A driver."""

    OPTIONS: ClassVar[Sequence[cfg.Opt]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """A driver's options by name; a subclass declares them. Raises ConfigurationError for values out of their bounds,
    for hosts that build a driver by hand: oslo.config keeps the bounds of what is in a file."""

    def __post_init__(self) -> None:
        refuse_impossible(self.options(), vars(self))

    @classmethod
    def options(cls) -> Declared:
        """The options, in the order of their declaration."""
        return Declared(field.metadata["option"](field.name) for field in dataclasses.fields(cls))


def bad(option: str, problem: str, cure: str) -> errors.ConfigurationError:
    """The error for an option that cannot work; who knows the store's section fills it in."""
    return errors.ConfigurationError(problem, section="", option=option, cure=cure)


def refuse_impossible(options: Sequence[cfg.Opt], values: Mapping[str, Any]) -> None:
    """Compares `values` with the bounds and choices of `options`. Raises ConfigurationError naming the option."""
    for option in options:
        value = values.get(option.dest)
        if value is not None:
            _refuse_number(option, value)
            _refuse_choice(option, value)


def _refuse_number(option: cfg.Opt, value: object) -> None:
    least, most = getattr(option.type, "min", None), getattr(option.type, "max", None)
    if least is None and most is None:
        return
    number = isinstance(value, int) and not isinstance(value, bool)
    number = number or (isinstance(value, float) and math.isfinite(value))
    if not number or (least is not None and value < least) or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise bad(option.dest, f"{value!r} is not possible.", f"Use at least {least}{upper}.")


def _refuse_choice(option: cfg.Opt, value: object) -> None:
    choices = getattr(option.type, "choices", None)
    if choices and value not in choices:
        raise bad(option.dest, f"{value!r} is not one of the choices.", f"Use one of {', '.join(choices)}.")


def strays(driver: type[HasOptions]) -> set[str]:
    """Options of a driver that are not keyword parameters of its `__init__`, and the other way round: values that would
    be lost on the way. Those of an `Options` cannot be."""
    parameters = list(inspect.signature(driver).parameters.values())
    if isinstance(driver.OPTIONS, Declared) and [each.kind for each in parameters] == [inspect.Parameter.VAR_KEYWORD]:
        return set()
    options = [option.dest for option in driver.OPTIONS]
    names = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    twice = {option for option in options if options.count(option) > 1}
    return names.symmetric_difference(options) | twice | {str(each) for each in parameters if each.name not in names}
