"""The error tree: every failure of the library ends as one of these (law "right blame").

Each class says whose fault the failure is (`blame`), which HTTP status it means, and whether the same request may
succeed later (`retryable`); programs go by its stable `code`. Clients may see the message: it says what was wrong,
names the limit and the cure, and holds no path and no credential. A path or an errno goes into `detail`, for the log.

    ImgstoreError
    ├── RequestError                     the client's fault
    │   ├── InvalidRequest          400
    │   ├── UnknownStore            400
    │   ├── SizeMismatch            400  the body is shorter or longer than declared
    │   ├── DigestMismatch          400  the body does not have a digest that the client named
    │   ├── BodyBroken              400  the connection or the framing broke in the middle of the body
    │   ├── BodyStalled             408
    │   ├── Unauthenticated         401
    │   ├── Forbidden               403
    │   ├── ImageNotFound           404
    │   ├── ImageConflict           409  the image's status does not allow it
    │   │   └── AlreadyInStore      400  a copy to a store that has the image
    │   ├── ImageGone               410  deleted, or taken over, during the upload
    │   ├── PreconditionFailed      412  If-Match does not name the image
    │   ├── ImageTooLarge           413
    │   ├── QuotaExceeded           413
    │   ├── UnsupportedMediaType    415
    │   ├── ContentRefused          415  a tap refused the content
    │   └── RangeNotSatisfiable     416
    ├── StoreError                       the storage failed; the core fills in `store`
    │   ├── InvalidKey              400
    │   ├── ObjectNotFound          404
    │   ├── ObjectExists            409
    │   ├── DataGone                410  an active image whose object is missing everywhere
    │   ├── StoreReadOnly           410
    │   ├── StoreFull               413
    │   └── StoreUnavailable        503
    │       ├── ObjectChanged       503  the read was pinned to another object
    │       ├── ObjectTruncated     503  fewer bytes than promised
    │       ├── StoreBusy           503  as many transfers of the store are under way as it may have
    │       ├── WrongPlace          503  the store's place is not the one that was marked: not mounted, say
    │       └── IntegrityError      503  the store holds other bytes than those sent
    ├── CatalogUnavailable          503  the host's table of images cannot be reached
    ├── ConfigurationError               stops the start; names section, option and cure
    └── UsageError                       the host called the library out of order: a defect of the host
"""

from __future__ import annotations

import enum
import errno
import os.path
import traceback
from typing import ClassVar

from imgstore.connections import told_of_connection


class Blame(enum.Enum):
    """Whose fault a failure is."""

    CLIENT = "client"
    STORE = "store"
    CONFIGURATION = "configuration"
    HOST = "host"


_TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 412: "Precondition Failed", 413: "Content Too Large", 415: "Unsupported Media Type",
    416: "Range Not Satisfiable", 503: "Service Unavailable",
}  # fmt: skip


class ImgstoreError(Exception):
    """Base of all errors of the library. Clients may see `message`; `detail` is for the log. The answer has a
    Retry-After of `retry_after` seconds unless that is None. A subclass names its `status` and `code` in its header."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal Server Error"
    blame: ClassVar[Blame] = Blame.HOST
    retryable: ClassVar[bool] = False

    def __init_subclass__(cls, *, status: int | None = None, code: str | None = None) -> None:
        super().__init_subclass__()
        cls.code = code or cls.code
        if status is not None:
            cls.status, cls.title = status, _TITLES.get(status, cls.title)

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.retry_after = retry_after


class RequestError(ImgstoreError, status=400, code="bad-request"):
    """The request cannot be accepted as it is: the client's fault."""

    blame = Blame.CLIENT


class InvalidRequest(RequestError):
    """A header, a parameter or the metadata of the image is invalid."""


class UnknownStore(RequestError, code="unknown-store"):
    """No enabled store has the requested identifier."""


class SizeMismatch(RequestError, code="size-mismatch"):
    """The body is shorter or longer than its declared size."""


class DigestMismatch(RequestError, code="digest-mismatch"):
    """The body does not have a digest that the client named."""


class BodyBroken(RequestError, code="body-broken"):
    """The body ended early or its framing broke."""

    retryable = True


class BodyStalled(RequestError, status=408, code="body-stalled"):
    """The client sent nothing for longer than the server waits."""

    retryable = True


class Unauthenticated(RequestError, status=401, code="unauthenticated"):
    """No valid token; raised by hosts. `challenge` is the value of WWW-Authenticate."""

    def __init__(self, message: str, *, challenge: str = "Keystone", detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.challenge = challenge


class Forbidden(RequestError, status=403, code="forbidden"):
    """The caller may see the image, but may not do this with it."""


class ImageNotFound(RequestError, status=404, code="image-not-found"):
    """The image does not exist, or the caller may not see it."""


class ImageConflict(RequestError, status=409, code="image-conflict"):
    """The status of the image does not allow the request."""


class AlreadyInStore(ImageConflict, status=400, code="already-in-store"):
    """A copy is asked for to a store that has the image. Glance answers 400, and clients take it as done."""


class ImageGone(RequestError, status=410, code="image-gone"):
    """During the upload the image was deleted, or another attempt took it over."""


class PreconditionFailed(RequestError, status=412, code="precondition-failed"):
    """The image is not the one that the request was made for."""


class ImageTooLarge(RequestError, status=413, code="image-too-large"):
    """The image has more bytes than the service allows."""


class QuotaExceeded(RequestError, status=413, code="quota-exceeded"):
    """The quota of the owner has no room for the bytes, for one more image, or for one more upload at a time."""


class UnsupportedMediaType(RequestError, status=415, code="unsupported-media-type"):
    """The body is not announced as plain application/octet-stream."""


class ContentRefused(RequestError, status=415, code="content-refused"):
    """A tap refused the content: it is not of the declared format, or it is not safe."""


class RangeNotSatisfiable(RequestError, status=416, code="range-not-satisfiable"):
    """No byte of the requested range exists. `size` is the size of the object in bytes."""

    def __init__(self, message: str, *, size: int | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.size = size


class StoreError(ImgstoreError, status=503, code="store-error"):
    """The storage failed. Drivers raise it without knowing their identifier; the core fills in `store`. `left_behind`:
    a copy inside the storage failed, and what it made under its key could not be removed."""

    blame = Blame.STORE
    store: str | None = None
    left_behind: bool = False

    def __str__(self) -> str:
        return self.message if self.store is None else f"Store '{self.store}': {self.message}"


class InvalidKey(StoreError, status=400, code="invalid-key"):
    """Not a valid key: a key has 1 to 200 characters of `A-Za-z0-9._-` and no leading dot."""


class ObjectNotFound(StoreError, status=404, code="object-not-found"):
    """The store has no object under that key."""


class ObjectExists(StoreError, status=409, code="object-exists"):
    """The store already has an object under that key, and keeps it unchanged."""


class DataGone(StoreError, status=410, code="data-gone"):
    """The image is active, but its data is missing from every store that should have it."""


class StoreReadOnly(StoreError, status=410, code="store-read-only"):
    """The store takes no new images, by its nature or by configuration."""


class StoreFull(StoreError, status=413, code="store-full"):
    """The storage, its capacity or its own quota has no room for more."""


class StoreUnavailable(StoreError, code="store-unavailable"):
    """The storage cannot be reached, refuses, or fails; the same request may succeed later."""

    retryable = True

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = 10) -> None:
        super().__init__(message, detail=detail, retry_after=retry_after)


class ObjectChanged(StoreUnavailable, code="object-changed"):
    """The store holds another object by now than the read was pinned to."""


class ObjectTruncated(StoreUnavailable, code="object-truncated"):
    """The store delivered fewer bytes than it promised."""


class StoreBusy(StoreUnavailable, code="store-busy"):
    """As many transfers of the store are under way as `max_transfers` allows, and none ended within `max_wait`."""


class WrongPlace(StoreUnavailable, code="wrong-place"):
    """What is at the store's place is not the store: a disk is not mounted, or another bucket has the name."""


class IntegrityError(StoreUnavailable, code="integrity-error"):
    """The store holds other bytes than those sent to it."""


class CatalogUnavailable(ImgstoreError, status=503, code="catalog-unavailable"):
    """The catalog or the quota ledger of the host cannot be reached. It is certain that nothing was changed."""

    retryable = True

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = 10) -> None:
        super().__init__(message, detail=detail, retry_after=retry_after)


class ConfigurationError(ImgstoreError, code="configuration-error"):
    """The configuration cannot work. The message is one line: `[section] option: problem. cure`."""

    blame = Blame.CONFIGURATION

    def __init__(self, problem: str, *, section: str, option: str | None = None, cure: str = "") -> None:
        where = f"[{section}]" if option is None else f"[{section}] {option}"
        super().__init__(" ".join(f"{where}: {problem} {cure}".split()))
        self.section = section
        self.option = option
        self._problem = problem
        self._cure = cure

    def in_section(self, section: str) -> ConfigurationError:
        """The same error, its `section` filled in unless it has one: a driver does not know its store's identifier."""
        named = self.section or section
        return ConfigurationError(self._problem, section=named, option=self.option, cure=self._cure)


class UsageError(ImgstoreError, code="usage-error"):
    """The host called the library out of order, for example `write` after `commit`."""


def from_os_error(error: OSError, action: str) -> StoreError:
    """The library's error for a failed system call during `action`, which names no path: StoreFull (413) for ENOSPC,
    EDQUOT and EFBIG, else StoreUnavailable (503). One without an errno is a client library's; its text is not quoted.
    """
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    detail = kind_and_place(error) if error.errno is None else str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StoreFull(f"Image storage media is full ({name}) while {action}.", detail=detail)
    return StoreUnavailable(f"Image storage is not available ({name}) while {action}.", detail=detail)


def kind_and_place(error: BaseException) -> str:
    """A foreign exception for the log: its class, and what a failed connection says, or else the line of code; without
    its text, which may hold a credential (law "no secrets")."""
    if told := told_of_connection(error):
        return f"{told} ({type(error).__name__})"
    frames = traceback.extract_tb(error.__traceback__)
    place = [f" at {os.path.basename(last.filename)}:{last.lineno} in {last.name}" for last in frames[-1:]]
    return type(error).__name__ + "".join(place)
