"""What the library's errors are in Glance: exceptions that end as the right HTTP status there (law "right blame").

Glance 33 makes 500 of most of glance_store's exceptions, and 204 of a missing object. So where no exception of
glance_store has the right status, the one that is raised here is an HTTP answer as well, which Glance passes on as it
is, with Retry-After. An exception that is not the library's is Glance's own, and passes.
"""

from __future__ import annotations

import logging

from glance_store import exceptions
from webob import exc

from imgstore import errors
from imgstore.driver.translate import OnFailure
from imgstore.undo import describe

LOG = logging.getLogger(__name__)


def _headers(error: errors.ImgstoreError) -> list[tuple[str, str]]:
    seconds = 10 if error.retry_after is None else error.retry_after
    return [("Retry-After", str(seconds))]


class Unavailable(exceptions.GlanceStoreException, exc.HTTPServiceUnavailable):
    """503. The storage cannot be reached, is busy, or is not the right one."""

    def __init__(self, error: errors.ImgstoreError) -> None:
        self.msg = _text(error)
        exc.HTTPServiceUnavailable.__init__(self, explanation=self.msg, headers=_headers(error))


class NotDeleted(exceptions.TimeoutError, exc.HTTPServiceUnavailable):
    """503 for a delete. Glance makes 500 of any other exception where one copy of an image is deleted."""

    def __init__(self, error: errors.ImgstoreError) -> None:
        self.msg = _text(error)
        exc.HTTPServiceUnavailable.__init__(self, explanation=self.msg, headers=_headers(error))


class DataGone(exceptions.GlanceStoreException, exc.HTTPGone):
    """410 for an image whose object is missing. Glance would make 204, an image without data, of its own NotFound."""

    def __init__(self, error: errors.ImgstoreError) -> None:
        self.msg = "The image's data is missing from the store."
        exc.HTTPGone.__init__(self, explanation=self.msg)


class NotAllowed(exceptions.Forbidden, exc.HTTPForbidden):
    """403. The storage is asked with the caller's own token (`multi_tenant`), and does not let the caller do this."""

    def __init__(self, error: errors.ImgstoreError) -> None:
        self.msg = _text(error)
        exc.HTTPForbidden.__init__(self, explanation=self.msg)


class NotKnown(exceptions.GlanceStoreException, exc.HTTPUnauthorized):
    """401. The storage refuses the caller's own token: it is not good any more."""

    def __init__(self, error: errors.ImgstoreError) -> None:
        self.msg = _text(error)
        exc.HTTPUnauthorized.__init__(self, explanation=self.msg)


def adding() -> OnFailure:
    """Around `add`."""
    return OnFailure(_adding)


def reading() -> OnFailure:
    """Around `get`, and around each chunk that it gives."""
    return OnFailure(_reading)


def asking() -> OnFailure:
    """Around `get_size` and `set_acls`."""
    return OnFailure(_asking)


def deleting() -> OnFailure:
    """Around `delete`."""
    return OnFailure(_deleting)


def configuring() -> OnFailure:
    """Around `configure`: what cannot work stops the start of Glance."""
    return OnFailure(_configuring)


def _adding(error: BaseException) -> None:
    if not isinstance(error, errors.ImgstoreError):
        return
    _callers(error)
    if isinstance(error, errors.StoreFull):
        raise exceptions.StorageFull(_text(error)) from error
    if isinstance(error, errors.StoreReadOnly):
        raise exceptions.StoreAddDisabled(_text(error)) from error
    if isinstance(error, (errors.RequestError, errors.InvalidKey)):
        raise exceptions.Invalid(_text(error)) from error
    _tell(error)
    raise Unavailable(error) from error


def _reading(error: BaseException) -> None:
    _callers(error)
    if isinstance(error, errors.ImgstoreError):
        _tell(error)
        raise (DataGone if isinstance(error, errors.ObjectNotFound) else Unavailable)(error) from error


def _asking(error: BaseException) -> None:
    _not_found(error)
    _callers(error)
    if isinstance(error, errors.InvalidKey):
        raise exceptions.BadStoreUri(_text(error)) from error
    if isinstance(error, errors.ImgstoreError):
        _tell(error)
        raise Unavailable(error) from error


def _deleting(error: BaseException) -> None:
    _not_found(error)
    _callers(error)
    if isinstance(error, errors.ImgstoreError):
        _tell(error)
        raise NotDeleted(error) from error


def _configuring(error: BaseException) -> None:
    if isinstance(error, errors.ConfigurationError):
        raise exceptions.BadStoreConfiguration(_text(error)) from error


def _not_found(error: BaseException) -> None:
    if isinstance(error, errors.ObjectNotFound):
        raise exceptions.NotFound(_text(error)) from error


def _callers(error: BaseException) -> None:
    if isinstance(error, errors.Forbidden):
        raise NotAllowed(error) from error
    if isinstance(error, errors.Unauthenticated):
        raise NotKnown(error) from error


def _text(error: errors.ImgstoreError) -> str:
    """For clients: without what is for the log."""
    return str(error)


def _tell(error: errors.ImgstoreError) -> None:
    LOG.warning("Glance's request failed in the storage: %s", describe(error))
