"""The error tree: every failure of the library ends as one of these (law 11).

Each class says whose fault it is (`blame`), which HTTP status it means, a stable `code` for programs, and whether the
same request may succeed later (`retryable`). The text of an error may be shown to the client of the image service: it
says what was wrong, which limit, what to do, and holds no path, no credential. What only the operator may read (a path,
an errno) goes into `detail`, which is logged and never sent.

    ImgstoreError
    ├── RequestError                     the client sent what cannot be taken
    │   ├── InvalidRequest          400
    │   ├── UnknownStore            400
    │   ├── SizeMismatch            400  the body is shorter or longer than declared
    │   ├── BodyBroken              400  the connection ended or the framing broke in the middle of the body
    │   ├── BodyStalled             408
    │   ├── Unauthenticated         401
    │   ├── Forbidden               403
    │   ├── ImageNotFound           404
    │   ├── ImageConflict           409  the image's status does not allow it
    │   ├── ImageGone               410  deleted, or taken over, during the upload
    │   ├── ImageTooLarge           413
    │   ├── QuotaExceeded           413
    │   ├── UnsupportedMediaType    415
    │   ├── ContentRefused          415  a tap refused what it saw
    │   └── RangeNotSatisfiable     416
    ├── StoreError                       the storage failed; `store` is filled in by the core
    │   ├── InvalidKey              400
    │   ├── ObjectNotFound          404
    │   ├── ObjectExists            409
    │   ├── DataGone                410  an active image whose object is missing everywhere
    │   ├── StoreReadOnly           410
    │   ├── StoreFull               413
    │   └── StoreUnavailable        503
    │       ├── ObjectChanged       503  not the object that the read was pinned to
    │       ├── ObjectTruncated     503  fewer bytes than promised
    │       └── IntegrityError      503  the store holds something else than what was sent
    ├── CatalogUnavailable          503  the host's table of images cannot be reached
    ├── ConfigurationError               stops the start; names section, option and cure
    └── UsageError                       the host called the library out of order: a bug of the host
"""

from __future__ import annotations

import enum
import errno
import os.path
import traceback
from typing import ClassVar


class Blame(enum.Enum):
    """Whose fault a failure is."""

    CLIENT = "client"
    STORE = "store"
    CONFIGURATION = "configuration"
    HOST = "host"


class ImgstoreError(Exception):
    """Base of all errors of the library. `message` (str) may be shown to clients; `detail` (str) is for the log;
    `retry_after` (seconds) is sent as Retry-After where it is set."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal Server Error"
    blame: ClassVar[Blame] = Blame.HOST
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.retry_after = retry_after


class RequestError(ImgstoreError):
    """The client sent something that cannot be taken."""

    status = 400
    code = "bad-request"
    title = "Bad Request"
    blame = Blame.CLIENT


class InvalidRequest(RequestError):
    """A header, a parameter or the image's metadata is not what it must be."""


class UnknownStore(RequestError):
    """No enabled store has the identifier that was asked for."""

    code = "unknown-store"


class SizeMismatch(RequestError):
    """The body is shorter or longer than its declared size."""

    code = "size-mismatch"


class BodyBroken(RequestError):
    """The body ended early or its framing broke."""

    code = "body-broken"
    retryable = True


class BodyStalled(RequestError):
    """The client sent nothing for longer than the server waits."""

    status = 408
    code = "body-stalled"
    title = "Request Timeout"
    retryable = True


class Unauthenticated(RequestError):
    """No valid token; raised by hosts. `challenge` is the value of WWW-Authenticate."""

    status = 401
    code = "unauthenticated"
    title = "Unauthorized"

    def __init__(self, message: str, *, challenge: str = "Keystone", detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.challenge = challenge


class Forbidden(RequestError):
    """The caller sees the image but may not do this with it."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class ImageNotFound(RequestError):
    """No such image, or none that the caller may see."""

    status = 404
    code = "image-not-found"
    title = "Not Found"


class ImageConflict(RequestError):
    """The image's status does not allow the request."""

    status = 409
    code = "image-conflict"
    title = "Conflict"


class ImageGone(RequestError):
    """The image was deleted, or another attempt took it over, during the upload."""

    status = 410
    code = "image-gone"
    title = "Gone"


class ImageTooLarge(RequestError):
    """More bytes than the largest image that the service takes."""

    status = 413
    code = "image-too-large"
    title = "Content Too Large"


class QuotaExceeded(RequestError):
    """More bytes, images or uploads at a time than the owner's quota leaves."""

    status = 413
    code = "quota-exceeded"
    title = "Content Too Large"


class UnsupportedMediaType(RequestError):
    """The body is not announced as plain application/octet-stream."""

    status = 415
    code = "unsupported-media-type"
    title = "Unsupported Media Type"


class ContentRefused(RequestError):
    """A tap refused the content: not the format it is said to be, or not safe."""

    status = 415
    code = "content-refused"
    title = "Unsupported Media Type"


class RangeNotSatisfiable(RequestError):
    """No byte of the requested range exists. `size` is the object's size in bytes."""

    status = 416
    code = "range-not-satisfiable"
    title = "Range Not Satisfiable"

    def __init__(self, message: str, *, size: int | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.size = size


class StoreError(ImgstoreError):
    """The storage failed. Drivers raise it without knowing their identifier; the core fills in `store`."""

    status = 503
    code = "store-error"
    title = "Service Unavailable"
    blame = Blame.STORE
    store: str | None = None

    def __str__(self) -> str:
        return self.message if self.store is None else f"Store '{self.store}': {self.message}"


class InvalidKey(StoreError):
    """Not a key that a store may be asked for (see `imgstore.driver.base.check_key`)."""

    status = 400
    code = "invalid-key"
    title = "Bad Request"


class ObjectNotFound(StoreError):
    """No object under that key."""

    status = 404
    code = "object-not-found"
    title = "Not Found"


class ObjectExists(StoreError):
    """An object is already there under that key; it was left as it was."""

    status = 409
    code = "object-exists"
    title = "Conflict"


class DataGone(StoreError):
    """An active image whose data is missing from every store that should have it."""

    status = 410
    code = "data-gone"
    title = "Gone"


class StoreReadOnly(StoreError):
    """Adding images to this store is disabled, by its nature or by configuration."""

    status = 410
    code = "store-read-only"
    title = "Gone"


class StoreFull(StoreError):
    """The storage, its capacity or its own quota has no room for more."""

    status = 413
    code = "store-full"
    title = "Content Too Large"


class StoreUnavailable(StoreError):
    """The storage cannot be reached, refuses, or fails; the same request may succeed later."""

    code = "store-unavailable"
    retryable = True

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = 10) -> None:
        super().__init__(message, detail=detail, retry_after=retry_after)


class ObjectChanged(StoreUnavailable):
    """The object is not the one that the read was pinned to."""

    code = "object-changed"


class ObjectTruncated(StoreUnavailable):
    """The store delivered fewer bytes than it promised."""

    code = "object-truncated"


class IntegrityError(StoreUnavailable):
    """The store holds something else than what was sent to it."""

    code = "integrity-error"


class CatalogUnavailable(ImgstoreError):
    """The host's catalog (or quota ledger) cannot be reached; the change was certainly not made."""

    status = 503
    code = "catalog-unavailable"
    title = "Service Unavailable"
    retryable = True

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = 10) -> None:
        super().__init__(message, detail=detail, retry_after=retry_after)


class ConfigurationError(ImgstoreError):
    """The configuration cannot work. One line: `[section] option: problem. cure`."""

    code = "configuration-error"
    blame = Blame.CONFIGURATION

    def __init__(self, problem: str, *, section: str, option: str | None = None, cure: str = "") -> None:
        where = f"[{section}]" if option is None else f"[{section}] {option}"
        super().__init__(" ".join(f"{where}: {problem} {cure}".split()))
        self.section = section
        self.option = option
        self._problem = problem
        self._cure = cure

    def in_section(self, section: str) -> ConfigurationError:
        """The same with `section` filled in, unless it names one: a driver does not know its store's identifier."""
        named = self.section or section
        return ConfigurationError(self._problem, section=named, option=self.option, cure=self._cure)


class UsageError(ImgstoreError):
    """The library was called out of order, for example a write after commit."""

    code = "usage-error"


def from_os_error(error: OSError, action: str) -> StoreError:
    """The library's error for a failed system call: `action` says what was being done, without a path.

    ENOSPC, EDQUOT and EFBIG are StoreFull (413); everything else (EACCES, EROFS, EIO, a vanished directory, a refused
    connection ...) is StoreUnavailable (503). Text without an errno is some client library's and is not quoted.
    """
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    detail = kind_and_place(error) if error.errno is None else str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StoreFull(f"Image storage media is full ({name}) while {action}.", detail=detail)
    return StoreUnavailable(f"Image storage is not available ({name}) while {action}.", detail=detail)


def kind_and_place(error: BaseException) -> str:
    """What may be logged of a foreign exception: class and line of code. Its text may hold a credential (law 7)."""
    frames = traceback.extract_tb(error.__traceback__)
    place = [f" at {os.path.basename(last.filename)}:{last.lineno} in {last.name}" for last in frames[-1:]]
    return type(error).__name__ + "".join(place)
