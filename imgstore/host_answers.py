"""What a host's parts must be and must answer; a mistake is a UsageError that names the class and the method.

Unchecked, a mistake shows elsewhere or not at all: an `async def activate` that nobody awaits would leave an image in
`saving`, and its client with 204. A part is looked at where it is given to the library: its methods, and how they are
called. An answer is looked at where the call was made. Nothing here runs for each chunk.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ParamSpec, TypeVar, cast
from weakref import WeakSet

from imgstore import errors
from imgstore.model import Attempt, Location, StoredImage

P = ParamSpec("P")
T = TypeVar("T")

STATUSES = frozenset(
    {
        "queued", "saving", "uploading", "importing", "active", "deactivated", "killed", "pending_delete", "deleted",
    }
)  # fmt: skip
"""Of images, as the Image API has them."""
_KNOWN: defaultdict[tuple[type, bool], WeakSet[type]] = defaultdict(WeakSet)
"""The classes that were found right, by protocol and `coroutines`: holds and taps are looked at in each upload."""


def require(
    part: object, protocol: type, *, made_by: Callable[..., object] | None = None, coroutines: bool = False
) -> None:
    """Raises UsageError unless `part` has the methods of `protocol`, they can be called as it says, and they are no
    coroutine functions, unless `coroutines`. `made_by`: the host's method that returned it."""
    kind, known = type(part), _KNOWN[protocol, coroutines]
    if kind in known:
        return
    if isinstance(part, type):
        raise errors.UsageError(f"{kind_of(part)} is no {protocol.__name__}: give an instance of it.")
    methods = _methods_of(protocol)
    for name, declared in methods.items():
        method = getattr(part, name, None)
        if not callable(method):
            what = kind_of(part) if made_by is None else f"What {name_of(made_by)} returned, {kind_of(part)},"
            raise errors.UsageError(f"{what} is no {protocol.__name__}: it has no method {name}.")
        if not coroutines:
            require_plain(method, name=f"{kind.__name__}.{name}")
        require_callable(method, declared, name=f"{kind.__name__}.{name}")
    if all(callable(getattr(kind, name, None)) for name in methods):
        known.add(kind)


def require_renewed(catalog: object, *, by: str) -> None:
    """Raises UsageError for a table whose attempts have leases that nobody would renew: each upload that is longer than
    a lease would be taken back. `by`: the class that renews them."""
    table = getattr(catalog, "__wrapped__", catalog)
    if callable(getattr(table, "renew", None)) and callable(getattr(table, "take_back", None)):
        raise errors.UsageError(
            f"{kind_of(table)} is a table whose attempts have leases, which nobody would renew: give {by}(table), "
            "of imgstore.hosting, the same that the Keeper takes."
        )


def require_kind(value: object, kind: type, *, name: str) -> None:
    """Raises UsageError unless `value`, which the library calls `name`, is an instance of one of its own classes."""
    if not isinstance(value, kind):
        raise errors.UsageError(f"{name} is {kind_of(value)}: it must be {_article(kind.__name__)}.")


def require_callable(function: Callable[..., object], declared: Callable[..., object], *, name: str) -> None:
    """Raises UsageError unless `function` can be called as the method `declared` of a protocol. `name`: what it is for
    people."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some builtins do not tell
    _, *parameters = inspect.signature(declared).parameters.values()
    for given in (parameters, [each for each in parameters if each.default is each.empty]):
        named = {each.name: None for each in given if each.kind is each.KEYWORD_ONLY}
        try:
            signature.bind(*given[: len(given) - len(named)], **named)
        except TypeError as error:
            asked = ", ".join(f"{each.name}=..." if each.name in named else each.name for each in given)
            raise errors.UsageError(f"{name} cannot be called with ({asked}): {error}.") from error


def require_plain(function: Callable[..., object], *, name: str) -> None:
    """Raises UsageError for what cannot be called, a coroutine function, or an object that is called as one."""
    if not callable(function):
        raise errors.UsageError(f"{name} is {kind_of(function)}, which cannot be called: give a function.")
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        raise errors.UsageError(f"{name} is a coroutine function, which nobody would await: {_PLAIN}.")


def answer_of(method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the host's method answers. Raises UsageError for a coroutine, which is closed."""
    answer = method(*args, **kwargs)
    if inspect.isawaitable(answer):
        raise wrong_answer(method, answer, "is called on a thread and awaited by nobody")
    return answer


def nothing(method: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls a method that raises where it fails, and returns None. Raises UsageError for any other answer."""
    answer = answer_of(method, *args, **kwargs)
    if answer is not None:
        raise wrong_answer(method, answer, "must return None, and raise where it fails")


def truth(method: Callable[P, bool], *args: P.args, **kwargs: P.kwargs) -> bool:
    """What a method answers that says yes or no. Raises UsageError for any other answer."""
    answer = cast("object", answer_of(method, *args, **kwargs))
    if not isinstance(answer, bool):
        raise wrong_answer(method, answer, "must return True or False")
    return answer is True


def instance(kind: type[T], method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a method answers that returns a `kind`. Raises UsageError for any other answer."""
    answer = answer_of(method, *args, **kwargs)
    if not isinstance(answer, kind):
        raise wrong_answer(method, answer, f"must return {_article(kind.__name__)}")
    return answer


def wrong_answer(method: Callable[..., object], answer: object, rule: str) -> errors.UsageError:
    """The error for a wrong answer; a coroutine is closed."""
    if inspect.iscoroutine(answer):
        answer.close()
        rule = f"{rule}: {_PLAIN}"
    return errors.UsageError(f"{name_of(method)} returned {kind_of(answer)}. It {rule}.")


def asked_for(attempt: Attempt, image_id: str) -> Attempt:
    """What is given back of an attempt: never another image's."""
    known: object = attempt.image_id
    is_asked_for = isinstance(known, str) and known.lower() == image_id.lower()
    return attempt if is_asked_for else replace(attempt, image_id=image_id)


def require_granted(attempt: Attempt, image_id: str, stores: Sequence[str], method: Callable[..., object]) -> None:
    """Raises UsageError for an attempt that is not the one that was asked for."""
    _require_texts(attempt, ("image_id", "owner"), method)
    if asked_for(attempt, image_id) is not attempt:
        raise errors.UsageError(f"{name_of(method)} returned an attempt for another image than it was asked for.")
    if sorted(attempt.stores or ()) != sorted(stores):
        raise errors.UsageError(f"{name_of(method)} returned an attempt for other stores than it was given.")
    if not isinstance(attempt.number, int) or not 1 <= attempt.number < 10**9:
        raise errors.UsageError(f"{name_of(method)} returned an attempt whose number is not 1, 2, ...: it counts them.")


def require_known(image: StoredImage, method: Callable[..., object]) -> StoredImage:
    """The image. Raises UsageError if a value is not as `StoredImage` says: a size of another class than int, a status
    in the host's own words. Such an image would have no data, or break in the middle of it."""
    _require_texts(image, ("status",), method)
    if image.status not in STATUSES:
        raise errors.UsageError(f"{name_of(method)} returned an image whose status the Image API does not have.")
    digests = ("checksum", "hash_algo", "hash_value")
    _require_texts(image, [name for name in digests if getattr(image, name) is not None], method)
    size: object = image.size
    if size is not None and not (isinstance(size, int) and size >= 0):
        told = "below 0" if isinstance(size, int) else kind_of(size)
        raise errors.UsageError(f"{name_of(method)} returned an image whose size is {told}: it is an int, or None.")
    locations: object = image.locations
    if not isinstance(locations, Sequence) or not all(isinstance(each, Location) for each in locations):
        raise errors.UsageError(f"{name_of(method)} returned an image whose locations are no sequence of Location.")
    for location in image.locations:
        _require_texts(location, ("store", "key"), method)
    return image


def _require_texts(answer: object, names: Sequence[str], method: Callable[..., object]) -> None:
    for name in names:
        if not isinstance(value := getattr(answer, name), str):
            what = f"{kind_of(answer)} whose {name} is {kind_of(value)}"
            raise errors.UsageError(f"{name_of(method)} returned {what}: it must be a str.")


def name_of(method: Callable[..., object]) -> str:
    """`Class.method`, as it is called also where a decorator names it otherwise; or the name of a function."""
    name: str = getattr(method, "__name__", type(method).__name__)
    if not inspect.ismethod(method):
        return name
    kind = type(getattr(method.__self__, "__wrapped__", method.__self__))
    called = [each for each in dir(kind) if getattr(kind, each, None) is method.__func__]
    return f"{kind.__name__}.{next(iter(called), name)}"


_PLAIN = (
    "make it a plain function. A catalog or a quota of coroutine functions is wrapped in AsyncCatalog or AsyncQuota of "
    "imgstore.adapters.asgi"
)


def _methods_of(protocol: type) -> dict[str, Callable[..., object]]:
    public = [name for name in dir(protocol) if not name.startswith("_")]
    found = {name: getattr(protocol, name) for name in public}
    return {name: method for name, method in found.items() if inspect.isfunction(method)}


def kind_of(answer: object) -> str:
    """A value for people: no text of the host's is quoted."""
    if answer is None or isinstance(answer, bool):
        return str(answer)
    return f"the class {answer.__name__}" if isinstance(answer, type) else _article(type(answer).__name__)


def _article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
