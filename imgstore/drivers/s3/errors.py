"""What botocore raises, in the library's words: one place decides who is to blame (law 11).

Nothing that botocore or a server writes is quoted, since it may hold a key, a token or a signed URL (law 7): of an
answer the error's code, its status and the request's identifier are told, of everything else the class. The chain to
the foreign exception is cut for the same reason.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from botocore import exceptions as boto
from urllib3 import exceptions as http_errors

from imgstore import errors

MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
NO_BUCKET = frozenset({"NoSuchBucket"})
NO_UPLOAD = frozenset({"NoSuchUpload"})
PRECONDITION = frozenset({"PreconditionFailed", "412"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})

FULL = frozenset(
    {
        "QuotaExceeded", "QuotaExceededException", "BucketQuotaExceeded", "StorageQuotaExceeded", "UserQuotaExceeded",
        "EntityTooLarge", "EntityTooLargeException", "InsufficientStorage", "InsufficientStorageSpace",
        "InsufficientCapacity", "StorageFull", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded",
        "TotalStorageExceeded", "StorageCapExceeded", "507", "413",
    }
)  # fmt: skip
BUSY = frozenset(
    {"SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "ThrottledException",
     "RequestLimitExceeded", "TooManyRequests", "TooManyRequestsException", "BandwidthLimitExceeded", "503", "429"}
)  # fmt: skip
BAD_DIGEST = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "ChecksumMismatch"}
)
NOT_TAKEN = frozenset({"NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedOperation", "501"})

WORDS = {
    **dict.fromkeys(EXPIRED, "the temporary keys have expired: renew session_token, or use a profile or a role"),
    "SignatureDoesNotMatch": "secret_key is wrong, or a proxy changes the requests",
    "InvalidAccessKeyId": "the server does not know access_key",
    "InvalidToken": "session_token is not valid",
    "AuthorizationHeaderMalformed": "region is not the bucket's",
    "PermanentRedirect": "region or endpoint_url is not the bucket's",
    "RequestTimeTooSkewed": "the clock of this machine or of the server is off by more than 15 minutes",
    "NoSuchBucket": "the bucket does not exist",
    "EntityTooSmall": "part_size is too small for this server",
    "InvalidPart": "the server does not know a part that it took",
    "KMS.NotFoundException": "the server does not know kms_key_id",
    "KMS.DisabledException": "the key kms_key_id is disabled",
}
"""What an operator may do about a code that is not plain."""

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}", re.ASCII)
_BUSY_PAUSE = 30


def code_of(error: BaseException) -> str:
    """The code of an error that a server answered, as in 'NoSuchKey', or '404' for an answer without a body; empty for
    everything else."""
    if not isinstance(error, boto.ClientError):
        return ""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else str(status_of(error))


def status_of(error: BaseException) -> int:
    """The status of an error that a server answered; 0 for everything else."""
    return int(_metadata(error).get("HTTPStatusCode", 0))


def retried(answer: Any) -> bool:
    """Whether the request of this answer or error was sent more than once: the first may have had its effect."""
    response = answer.response if isinstance(answer, boto.ClientError) else answer
    return bool(response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def surely_nothing(error: BaseException) -> bool:
    """Whether a request that failed so has certainly changed nothing in the storage."""
    return isinstance(error, boto.ClientError) and 400 <= status_of(error) < 500 and not retried(error)


def not_taken(error: BaseException) -> bool:
    """Whether a server may mean that it does not know an optional header."""
    return code_of(error) in NOT_TAKEN or status_of(error) == 501


def unknown(error: BaseException) -> bool:
    """Whether a server may mean that it does not have the whole operation."""
    return not_taken(error) or status_of(error) == 405


@contextlib.contextmanager
def translated(action: str) -> Iterator[None]:
    """Inside, what botocore and urllib3 raise while `action` becomes an error of the library."""
    try:
        yield
    except boto.ClientError as error:
        raise of_answer(error, action) from None
    except (boto.BotoCoreError, boto.HTTPClientError, http_errors.HTTPError) as error:
        raise _of_failure(error, action) from None


def of_answer(error: boto.ClientError, action: str) -> errors.StoreError:
    """The error for what a server answered."""
    code, status = code_of(error), status_of(error)
    detail = _detail(error, code, status)
    if code in MISSING:
        return errors.ObjectNotFound("No object has that key.", detail=detail)
    if code in PRECONDITION:
        return errors.ObjectExists("An object with that key exists already.", detail=detail)
    if code in FULL or status in {507, 413}:
        return errors.StoreFull(f"Image storage media is full ({code}) while {action}.", detail=detail)
    if code in BAD_DIGEST:
        return errors.IntegrityError(f"The storage received other bytes than were sent while {action}.", detail=detail)
    message = f"Image storage is not available ({code or status}) while {action}."
    if code in BUSY or status in {503, 429}:
        return errors.StoreUnavailable(message, detail=detail, retry_after=_BUSY_PAUSE)
    return errors.StoreUnavailable(message, detail=detail)


def _of_failure(error: Exception, action: str) -> errors.StoreError:
    """The error for a request that got no answer. The class names say what happened: 'ReadTimeoutError'."""
    name = type(error).__name__
    detail = errors.kind_and_place(error)
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)):
        detail += "; boto3 found no keys: set access_key and secret_key, or a profile, or give the machine a role"
    return errors.StoreUnavailable(f"Image storage is not available ({name}) while {action}.", detail=detail)


def _detail(error: boto.ClientError, code: str, status: int) -> str:
    words = f": {WORDS[code]}" if code in WORDS else ""
    request = str(_metadata(error).get("RequestId", ""))
    named = f", request {request}" if re.fullmatch(r"[A-Za-z0-9+/=-]{1,80}", request) else ""
    return f"{code or 'no code'} (status {status}{named}){words}"


def _metadata(error: BaseException) -> dict[str, Any]:
    found = error.response.get("ResponseMetadata", {}) if isinstance(error, boto.ClientError) else {}
    return dict(found)
