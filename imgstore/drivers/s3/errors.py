"""What botocore raises, in the library's words: this module decides who is to blame (the right blame).

No text quotes what botocore or a server wrote, since that may hold a key, a token or a signed URL (no secrets). It has
the error's code, its status and the request's identifier if the server answered, else the exception's class. The chain
to the foreign exception is cut for the same reason; the functions here still see it as the `__context__`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, NoReturn

from botocore import exceptions as boto
from urllib3 import exceptions as http_errors

from imgstore import errors
from imgstore.driver.translate import OnFailure, forget_frames

MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
NO_BUCKET = "NoSuchBucket"
NO_UPLOAD = frozenset({"NoSuchUpload"})
PRECONDITION = frozenset({"PreconditionFailed", "412"})
PINNED = frozenset({"GetObject", "CopyObject", "UploadPartCopy"})
"""Operations whose condition is the ETag of the object that they read."""
WRITING = frozenset({"PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"})
"""Operations that ask for nothing that is there: what is missing then is the store's own, never the image. Their
condition is a free key."""
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
PASSING = BUSY | {
    "InternalError",
    "RequestTimeout",
    "RequestTimeoutException",
    "PriorRequestNotComplete",
    "500",
    "502",
    "504",
}
BAD_DIGEST = frozenset(
    {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "ChecksumMismatch"}
)
DENIED = frozenset({"AccessDenied", "403", "Forbidden", "AccessForbidden", "AllAccessDisabled", "401", "Unauthorized"})
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

NO_KEYS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}", re.ASCII)
_PAUSE, _BUSY_PAUSE = 10, 30
"""Seconds after which a client may try again."""


def translated(action: str) -> OnFailure:
    """Around `action`: what botocore and urllib3 raise becomes an error of the library."""
    return OnFailure(partial(_translate, action))


def code_of(error: BaseException) -> str:
    """The code that a server answered, as in 'NoSuchKey', or '404' for an answer without a body; empty if it did not
    answer. `error` is botocore's here and below, or what `translated` made of it."""
    answered = _answered(error)
    if answered is None:
        return ""
    if answered.operation_name == "HeadBucket" and status_of(error) == 404:
        return NO_BUCKET
    code = str(answered.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else str(status_of(error))


def status_of(error: BaseException) -> int:
    """The status that a server answered; 0 if it did not answer."""
    return int(_metadata(error).get("HTTPStatusCode", 0))


def has_no_keys(error: BaseException) -> bool:
    """Whether boto3 found no keys to sign the request with."""
    return isinstance(error, NO_KEYS) or isinstance(error.__context__, NO_KEYS)


def untrusted(error: BaseException) -> bool:
    """Whether the server's certificate is not signed by an authority that is trusted, or is another server's."""
    found = error if isinstance(error, boto.SSLError) else error.__context__
    return isinstance(found, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(found)


def surely_nothing(error: BaseException) -> bool:
    """Whether a failed request has certainly changed nothing in the storage: the server refused the only attempt."""
    return 400 <= status_of(error) < 500 and not _metadata(error).get("RetryAttempts")


def expired(error: BaseException) -> bool:
    """Whether the keys may have expired. The answer to HEAD has no body, and so no code: it is 400 then."""
    asked_by_head = isinstance(error, boto.ClientError) and error.operation_name.startswith("Head")
    return code_of(error) in EXPIRED or (asked_by_head and status_of(error) == 400)


def busy(error: BaseException) -> bool:
    """Whether the server asks for a longer pause."""
    return code_of(error) in BUSY or status_of(error) in {503, 429}


def passing(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment: the server is busy or failed, or there was no answer."""
    if isinstance(error, boto.ClientError):
        return code_of(error) in PASSING or status_of(error) in {429, 500, 502, 503, 504}
    return isinstance(error, (boto.ConnectionError, boto.HTTPClientError)) and not untrusted(error)


def add_retries(answer: Any, more: int) -> int:
    """Counts `more` repetitions to those that an answer, or the response in an error, tells of its request; how many
    they are then. So a request that is sent again in another form is one that was repeated."""
    told = answer.get("ResponseMetadata") if isinstance(answer, dict) else None
    if told is None:
        return more
    told["RetryAttempts"] = told.get("RetryAttempts", 0) + more
    return int(told["RetryAttempts"])


def denied(error: BaseException) -> bool:
    """Whether the server says that the keys may not do that."""
    return code_of(error) in DENIED or code_of(error).startswith("KMS.AccessDenied")


def not_taken(error: BaseException) -> bool:
    """Whether a server may mean that it does not know an optional header."""
    return code_of(error) in NOT_TAKEN or status_of(error) == 501


def unknown(error: BaseException) -> bool:
    """Whether a server may mean that it does not have the whole operation."""
    return not_taken(error) or status_of(error) == 405


def _translate(action: str, error: BaseException) -> None:
    if isinstance(error, boto.ClientError):
        _raise_for_answer(error, action)
    if isinstance(error, (boto.BotoCoreError, boto.HTTPClientError, http_errors.HTTPError)):
        forget_frames(error)
        _raise_for_silence(error, action)


def _raise_for_answer(error: boto.ClientError, action: str) -> NoReturn:
    code, status = code_of(error), status_of(error)
    detail = _detail(error, code, status)
    if code in MISSING and error.operation_name not in WRITING:
        raise errors.ObjectNotFound("No object has that key.", detail=detail) from None
    if code == NO_BUCKET:
        raise errors.WrongPlace(f"Image storage is not available ({code}) while {action}.", detail=detail) from None
    if code in PRECONDITION and error.operation_name in PINNED:
        raise errors.ObjectChanged("The object changed in the store.", detail=detail) from None
    if code in PRECONDITION and error.operation_name in WRITING:
        raise errors.ObjectExists("An object with that key exists already.", detail=detail) from None
    if status == 416 and error.operation_name == "GetObject":
        raise errors.RangeNotSatisfiable("No byte of the range exists.", detail=detail) from None
    if code in FULL or status in {507, 413}:
        raise errors.StoreFull(f"Image storage media is full ({code}) while {action}.", detail=detail) from None
    if code in BAD_DIGEST:
        message = f"The storage received other bytes than were sent while {action}."
        raise errors.IntegrityError(message, detail=detail) from None
    pause = _BUSY_PAUSE if busy(error) else _PAUSE
    message = f"Image storage is not available ({code or status}) while {action}."
    raise errors.StoreUnavailable(message, detail=detail, retry_after=pause) from None


def _raise_for_silence(error: Exception, action: str) -> NoReturn:
    """For a request without an answer. The names of the classes say what happened: 'ReadTimeoutError'."""
    detail = errors.kind_and_place(error)
    if has_no_keys(error):
        detail += "; boto3 found no keys: set access_key and secret_key, or a profile, or give the machine a role"
    message = f"Image storage is not available ({type(error).__name__}) while {action}."
    raise errors.StoreUnavailable(message, detail=detail) from None


def _detail(error: boto.ClientError, code: str, status: int) -> str:
    words = f": {WORDS[code]}" if code in WORDS else ""
    request = str(_metadata(error).get("RequestId", ""))
    named = f", request {request}" if re.fullmatch(r"[A-Za-z0-9+/=-]{1,80}", request) else ""
    return f"{code or 'no code'} (status {status}{named}){words}"


def _answered(error: BaseException) -> boto.ClientError | None:
    """The answer that is behind an error."""
    return next((each for each in (error, error.__context__) if isinstance(each, boto.ClientError)), None)


def _metadata(error: BaseException) -> dict[str, Any]:
    answered = _answered(error)
    return {} if answered is None else dict(answered.response.get("ResponseMetadata", {}))
