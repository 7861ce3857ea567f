"""What a refusal means to an operator: the option that it is about, or the permission that is missing.

If an operator can cure a failure, it is a ConfigurationError; if the server is down or full, it is the store's own
error.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from imgstore import errors
from imgstore.driver.options import bad
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.options import S3Options

_OPTIONS = {
    "NoSuchBucket": ("bucket", "Create it: imgstore check --create, with create_bucket = true."),
    "InvalidBucketName": ("bucket", "The server does not take this name: use another one."),
    "InvalidAccessKeyId": ("access_key", "Use one that the server knows."),
    "SignatureDoesNotMatch": ("secret_key", "Use the one that belongs to access_key; mind '$$' for a '$'."),
    "InvalidToken": ("session_token", "Renew it, or use a profile or a role."),
    **dict.fromkeys(s3_errors.EXPIRED, ("session_token", "Renew it, or use a profile or a role.")),
    "AuthorizationHeaderMalformed": ("region", "Set the region of the bucket."),
    "PermanentRedirect": ("region", "Set the region of the bucket, or the endpoint_url that belongs to it."),
    "IllegalLocationConstraintException": ("region", "Set the region of the endpoint."),
    "InvalidStorageClass": ("storage_class", "Use one that the server has."),
    "KMS.NotFoundException": ("kms_key_id", "Use a key that the server knows."),
    "InvalidTag": ("tags", "Use tags that the server takes."),
    "EntityTooSmall": ("part_size", "Use larger parts."),
}
"""The option that the code of a refusal is about, and the cure."""
_NOT_EVERYWHERE = ("tags", "encryption", "storage_class")


class Refusals:
    """The refusals of one store's server."""

    def __init__(self, options: S3Options) -> None:
        self._options = options

    @contextlib.contextmanager
    def needs(self, *permissions: str) -> Iterator[None]:
        """Around requests: a refusal names the option that it is about, or the permissions that they need."""
        try:
            yield
        except errors.StoreError as error:
            refusal = self._refusal(error, " and ".join(permissions))
            if refusal is None:
                raise
            raise refusal from None

    def _refusal(self, error: errors.StoreError, needed: str) -> errors.ConfigurationError | None:
        code = s3_errors.code_of(error)
        if s3_errors.has_no_keys(error):
            cure = "Set access_key and secret_key, or a profile, or give the machine a role."
            return bad("access_key", "No keys were found, here or in the places where boto3 looks.", cure)
        if s3_errors.untrusted(error):
            cure = (
                "Name a file with the certificate of its authority; see also whether endpoint_url has the right name."
            )
            return bad("ca_bundle", "The server's certificate is not trusted.", cure)
        if code in _OPTIONS:
            option, cure = _OPTIONS[code]
            return bad(option, f"The server refuses it ({code}).", cure)
        set_ones = [option for option in _NOT_EVERYWHERE if getattr(self._options, option)]
        if set_ones and s3_errors.not_taken(error):
            others = f" The same may be true of {', '.join(set_ones[1:])}." if set_ones[1:] else ""
            return bad(set_ones[0], f"The server does not take it ({code}).{others}", "Unset it, or use what it has.")
        if s3_errors.denied(error):
            problem = f"The keys may not use it as the driver does: {needed} is needed and was refused."
            return bad("bucket", problem, "Grant it, on the bucket and on the objects below the prefix.")
        return None
