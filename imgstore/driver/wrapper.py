"""A driver around another one: what it does not change goes through, and it can do what the other one can.

    class Loud(DriverWrapper):
        OPTIONS = FilesystemDriver.OPTIONS

        def __init__(self, **options: Any) -> None:
            super().__init__(FilesystemDriver(**options))

        def _delete(self, key: str) -> None:
            print("deleting", key)
            super()._delete(key)

Capabilities are found by `isinstance`, which from Python 3.12 on sees methods of the class alone. So a wrapper takes a
class of its own as it is made: with the methods of the wrapped driver's capabilities, and without those of the others,
even if the author wrote one.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable
from typing import Any

from imgstore import errors
from imgstore.driver.base import StoreDriver
from imgstore.driver.reader import ObjectReader
from imgstore.driver.signatures import OPTIONAL
from imgstore.driver.writer import ObjectWriter, WriterState
from imgstore.model import ObjectInfo


class DriverWrapper(StoreDriver):
    """Everything goes to `wrapped`, which is closed with the wrapper. An author overrides hooks and capabilities."""

    wrapped: StoreDriver

    def __init__(self, wrapped: StoreDriver) -> None:
        self.wrapped = wrapped
        able = frozenset(protocol for protocol in OPTIONAL if isinstance(wrapped, protocol))
        self.__class__ = _able(type(self), able)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} around {self.wrapped!r}>"

    @property
    def mark(self) -> str | None:
        """The wrapped driver's, which may look at it at every use."""
        return self.wrapped.mark

    @mark.setter
    def mark(self, mark: str | None) -> None:
        self.wrapped.mark = mark

    def check(self) -> None:
        """See StoreDriver."""
        self.wrapped.check()

    def url(self, key: str) -> str:
        """See StoreDriver."""
        return self.wrapped.url(key)

    def key_from_url(self, url: str) -> str:
        """See StoreDriver."""
        return self.wrapped.key_from_url(url)

    def for_context(self, context: object, *, url: str | None = None) -> StoreDriver:
        """A wrapper as this one around the caller's driver."""
        theirs = self.wrapped.for_context(context, url=url)
        if theirs is self.wrapped:
            return self
        wrapper = copy.copy(self)
        wrapper.wrapped = theirs
        return wrapper

    def close(self) -> None:
        """See StoreDriver."""
        self.wrapped.close()

    def _open_writer(self, key: str, size: int | None) -> ObjectWriter:
        return WriterWrapper(self.wrapped, key, size)

    def _open_reader(self, key: str, start: int, stop: int | None, etag: str | None) -> ObjectReader:
        return ReaderWrapper(self.wrapped.open_reader(key, start=start, stop=stop, etag=etag))

    def _stat(self, key: str) -> ObjectInfo:
        return self.wrapped.stat(key)

    def _delete(self, key: str) -> None:
        self.wrapped.delete(key)


class WriterWrapper(ObjectWriter):
    """A writer around one of `driver`, `wrapped`. An author overrides hooks; `size` is what the wrapped one is told."""

    def __init__(self, driver: StoreDriver, key: str, size: int | None) -> None:
        self.wrapped = driver.open_writer(key, size=size)
        self.__driver = driver
        self.__key = key
        self.__made: ObjectInfo | None = None

    def _write(self, chunk: bytes | memoryview) -> None:
        self.wrapped.write(chunk)

    def _commit(self) -> ObjectInfo:
        self.__made = self.wrapped.commit()
        return self.__made

    def _abort(self) -> None:
        """Of a committed object too: the wrapped writer has ended by then, so its driver removes the object, if it is
        still that one."""
        self.wrapped.abort()
        if self.wrapped.state is WriterState.COMMITTED and self.__made is not None:
            with contextlib.suppress(errors.ObjectNotFound):
                if self.__driver.stat(self.__key).etag == self.__made.etag:
                    self.__driver.delete(self.__key)


class ReaderWrapper(ObjectReader):
    """A reader around another one. An author overrides hooks, and `info` where the size is another."""

    def __init__(self, wrapped: ObjectReader) -> None:
        self.wrapped = wrapped
        self.info = wrapped.info
        vars(self)["RESUMES"] = wrapped.RESUMES

    def _read(self, size: int) -> bytes:
        return self.wrapped.read(size)

    def _close(self) -> None:
        self.wrapped.close()


@functools.cache
def _able(cls: type[DriverWrapper], able: frozenset[type]) -> type[DriverWrapper]:
    """`cls` with the members of these capabilities, and without those of the others."""
    has = {name for protocol in able for name in _members(protocol)}
    lacks = {name for protocol in OPTIONAL for name in _members(protocol)} - has
    own = {name for name in has if hasattr(cls, name)}
    members: dict[str, Any] = {name: _through(name) for name in has - own}
    members.update(dict.fromkeys((name for name in lacks if hasattr(cls, name)), None))
    members.update(__module__=cls.__module__, __qualname__=cls.__qualname__, __doc__=cls.__doc__)
    return type(cls.__name__, (cls,), members)


def _members(protocol: type) -> set[str]:
    """The names that make up a capability, those of the ones that it extends included."""
    return {name for base in protocol.__mro__ if base in OPTIONAL for name in vars(base) if not name.startswith("_")}


def _through(name: str) -> Any:
    """A member that is the wrapped driver's."""
    declared = next(vars(protocol)[name] for protocol in OPTIONAL if name in vars(protocol))
    if isinstance(declared, property):
        return property(lambda wrapper: getattr(wrapper.wrapped, name))
    return functools.wraps(declared)(_call(name))


def _call(name: str) -> Callable[..., Any]:
    def call(wrapper: DriverWrapper, *given: Any, **named: Any) -> Any:
        return getattr(wrapper.wrapped, name)(*given, **named)

    return call
