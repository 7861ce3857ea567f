"""What options cannot be, for hosts that build a driver by hand: oslo.config keeps the bounds of what is in a file.

What this module refuses to do: know a driver, show the value of a secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgstore import errors

if TYPE_CHECKING:
    from oslo_config import cfg


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
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or (least is not None and value < least) or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise bad(option.dest, f"{value!r} is not possible.", f"Use at least {least}{upper}.")


def _refuse_choice(option: cfg.Opt, value: object) -> None:
    choices = getattr(option.type, "choices", None)
    if choices and value not in choices:
        raise bad(option.dest, f"{value!r} is not one of the choices.", f"Use one of {', '.join(choices)}.")
