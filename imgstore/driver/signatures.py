"""Whether a class implements the hooks of this SPI, told when it is loaded or defined instead of at the first upload.

A hook fits if it can be called as the base calls it: parameters by position, and by name what the base gives by name.
A driver may take more, if it has defaults for that. What a hook returns is looked at too, when it does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar

from imgstore import errors
from imgstore.driver import capabilities
from imgstore.model import ObjectInfo

T = TypeVar("T")

SPI = 1
"""The number of this SPI. It is raised only when a driver that fits has to be changed; a new ability is a protocol that
a driver may leave out."""

OPTIONAL = tuple(
    each
    for each in vars(capabilities).values()
    if isinstance(each, type) and each.__module__ == capabilities.__name__ and getattr(each, "_is_protocol", False)
)
"""The protocols of what only some drivers can do."""


def misfits(found: type, owner: type, *, optional: Iterable[type] = ()) -> list[str]:
    """What has to change in `found`, one clause each: its hooks of `owner`, and the methods of the `optional` protocols
    that it has."""
    names = [(owner, name) for name in hooks(owner)]
    names += [(protocol, name) for protocol in optional for name in hooks(protocol)]
    return sorted({clause for base, name in names if (clause := _misfit(found, base, name))})


def refuse_misfits(cls: type, owner: type) -> None:
    """Raises TypeError for a class whose hooks of `owner` cannot be called as the base does."""
    found = misfits(cls, owner)
    if found:
        raise TypeError(f"{cls.__name__} does not fit SPI {SPI} of imgstore: {'; '.join(found)}")


def hooks(owner: type) -> list[str]:
    """The methods of `owner` that a subclass may write: not the final ones, and not those of Python."""
    return [
        name
        for name, value in vars(owner).items()
        if inspect.isfunction(value) and not name.startswith("__") and not name.startswith(f"_{owner.__name__}__")
        and not getattr(value, "__final__", False)
    ]  # fmt: skip


def _misfit(found: type, base: type, name: str) -> str:
    wanted, own = vars(base)[name], inspect.getattr_static(found, name, None)
    if own is wanted or not inspect.isfunction(own):
        return ""
    if inspect.iscoroutinefunction(own):
        return f"{name} must be no coroutine"
    return "" if _takes(own, wanted) else f"{_shown(own)} must be {_shown(wanted)}"


def _takes(own: Callable[..., object], wanted: Callable[..., object]) -> bool:
    """Whether `own` can be called with everything that `wanted` takes, and with as little."""
    parameters = list(inspect.signature(wanted).parameters.values())
    named = {each.name: None for each in parameters if each.kind is each.KEYWORD_ONLY}
    by_position = [each for each in parameters if each.kind is not each.KEYWORD_ONLY]
    least = [None for each in by_position if each.default is each.empty]
    try:
        inspect.signature(own).bind(*[None] * len(by_position), **named)
        inspect.signature(own).bind(*least, **{each.name: None for each in parameters if _is_demanded(each)})
    except TypeError:
        return False
    return True


def _is_demanded(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty


def _shown(hook: Callable[..., object]) -> str:
    """The hook as one calls it, without types."""
    signature = inspect.signature(hook)
    bare = [each.replace(annotation=each.empty) for each in signature.parameters.values()][1:]
    return f"{hook.__name__}{signature.replace(parameters=bare, return_annotation=signature.empty)}"


def expect_kind(kind: type, found: T, hook: str) -> T:
    """`found`, which a hook has returned. Raises StoreUnavailable for what is of another kind."""
    if not isinstance(found, kind):
        told = f"{hook} returned {type(found).__name__}, not {kind.__name__}"
        raise errors.StoreUnavailable("Image storage failed: its driver has a mistake.", detail=told)
    return found


def expect_info(info: ObjectInfo, hook: str) -> ObjectInfo:
    """What a hook tells of an object. Raises StoreUnavailable for what is none."""
    expect_kind(int, expect_kind(ObjectInfo, info, hook).size, f"{hook}, as the size,")
    if info.size < 0:
        raise errors.StoreUnavailable("Image storage tells a size that is none.", detail=f"{info.size} by {hook}")
    return info
