"""Foreign exceptions become errors of the library, with the right blame.

Whatever a driver or a host raises is turned into one of the library's errors where its code is called. What such an
exception says is not quoted, since it may hold a credential; its class and the line of code that raised it are in the
error's detail, for the log.

A `with` on an `OnFailure` costs nothing worth counting where nothing fails: every chunk of an upload passes some, and a
generator (`contextlib.contextmanager`) would cost a microsecond each time. It never swallows an exception.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType

from imgstore import errors
from imgstore.undo import describe, is_failure, log_stack

LOG = logging.getLogger(__name__)

Failed = Callable[[BaseException], None]


class OnFailure:
    """Around a block: `failed` is called with what is raised inside. It raises what is to be raised instead, or returns
    and the exception goes on as it is. It holds nothing of a block and may serve many, in threads too."""

    __slots__ = ("_failed",)

    def __init__(self, failed: Failed) -> None:
        self._failed = failed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            self._failed(error)


def storage_failures(action: str) -> OnFailure:
    """Around a driver's own code, which was `action`: what is not one of the library's errors becomes a StoreError.

    Used by the final methods of drivers, writers and readers, and by drivers in those that are not final: `check`,
    `close` and what a capability has.
    """
    return OnFailure(partial(storage_failed, action))


def asking_failures(action: str) -> OnFailure:
    """The same around what stores nothing. A store that is full is not available then: some storages need room to
    remove an object, but who asks for that has sent nothing that is too large."""
    return OnFailure(partial(_asking_failed, action))


def undone_copy(target: str, discard: Callable[[], object]) -> OnFailure:
    """Around a server-side copy to the key `target`, as `storage_failures`: a failure runs `discard`, which removes
    what was copied. Should that fail too, it is logged, and the error says so (`StoreError.left_behind`)."""
    return OnFailure(partial(_copy_failed, target, discard))


def host_failures(action: str) -> OnFailure:
    """Around the host's catalog or quota, which was `action`: what is not one of the library's errors means that it
    cannot be reached."""
    return OnFailure(partial(host_failed, action))


def storage_failed(action: str, error: BaseException) -> None:
    """Raises a StoreError for what a driver's code raised; returns where `error` is the library's or an interrupt."""
    if not is_foreign(error):
        return
    if isinstance(error, OSError):
        raise errors.from_os_error(error, action) from error
    log_stack(error)
    detail = errors.kind_and_place(error)
    raise errors.StoreUnavailable(f"The storage failed while {action}.", detail=detail) from error


def _asking_failed(action: str, error: BaseException) -> None:
    full = error if isinstance(error, errors.StoreFull) else None
    try:
        storage_failed(action, error)
    except errors.StoreFull as translated:
        full = translated
    if full is not None:
        raise errors.StoreUnavailable(full.message, detail=full.detail) from error


def _copy_failed(target: str, discard: Callable[[], object], error: BaseException) -> None:
    try:
        with storage_failures("removing a copy"):
            discard()
    except errors.ImgstoreError as failure:
        LOG.warning("Could not remove what was copied to %s: %s", target, describe(failure))
        with OnFailure(_told_left_behind):
            storage_failed("copying", error)
        _told_left_behind(error)
    storage_failed("copying", error)


def _told_left_behind(error: BaseException) -> None:
    """Not where another object has the key, as `ObjectWriter.left_behind`: a removal by the key would harm that one."""
    if isinstance(error, errors.StoreError) and not isinstance(error, errors.ObjectExists):
        error.left_behind = True


def host_failed(action: str, error: BaseException) -> None:
    """The same for what a host's code raised, as CatalogUnavailable."""
    if is_foreign(error):
        log_stack(error)
        detail = errors.kind_and_place(error)
        raise errors.CatalogUnavailable(f"The service's catalog failed while {action}.", detail=detail) from error


def function_failures(name: str) -> OnFailure:
    """Around a function of the host's that decides and changes nothing: what is not one of the library's errors is a
    mistake (UsageError)."""
    return OnFailure(partial(_function_failed, name))


def _function_failed(name: str, error: BaseException) -> None:
    if is_foreign(error):
        log_stack(error)
        detail = errors.kind_and_place(error)
        raise errors.UsageError(f"The host's {name} raised what is no error of the library.", detail=detail) from error


def forget_frames(error: BaseException | None) -> None:
    """Of foreign code that has ended: a failure is often in frames of its own traceback, and such a circle keeps the
    frames above, with their buffers, until the collector of garbage comes by. Class and lines stay."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            _forget(frame)
        error = error.__cause__ or error.__context__


def _forget(frame: FrameType | None) -> None:
    """What its function used, and those that called it. A generator may go on, so it is left alone."""
    with contextlib.suppress(RuntimeError):  # it has not ended, nor have those that called it
        while frame is not None:
            if not frame.f_code.co_flags & inspect.CO_GENERATOR:
                frame.clear()
            frame = frame.f_back


def nothing_is_missing(action: str, error: BaseException) -> None:
    """Raises StoreUnavailable for an ObjectNotFound in `action`, which is a part of writing: what is not found then is
    the store's own, never the image."""
    if isinstance(error, errors.ObjectNotFound):
        raise errors.StoreUnavailable(f"The storage failed while {action}.", detail=describe(error)) from error


def is_foreign(error: BaseException) -> bool:
    """Whether it is neither one of the library's errors nor an interrupt."""
    return is_failure(error) and not isinstance(error, errors.ImgstoreError)


def blamed_on(store: str, error: BaseException) -> None:
    """Gives a StoreError the store's identifier unless it has one. Raises a ConfigurationError again, with the store's
    section."""
    if isinstance(error, errors.StoreError):
        error.store = error.store or store or None
    if isinstance(error, errors.ConfigurationError) and store:
        raise error.in_section(store) from error


def refuse_overrides(cls: type, owner: type, final_names: frozenset[str]) -> None:
    """The final methods of `owner` hold the laws; a driver that replaced one, by a mixin too, would be outside them."""
    for base in cls.__mro__[: cls.__mro__.index(owner)]:
        for name in final_names & vars(base).keys():
            raise TypeError(f"{base.__name__}.{name} is final: implement _{name} instead")
