"""The proof that a bucket works: each thing that the driver does is done once, and what may not be done is named.

What an operator can cure is a ConfigurationError with the option or the permission; a server that is down or full is
the store's own error. What needs a permission but changes seldom - uploads in parts - is proved once; the rest, an
object that is stored, read and removed, every time, since health checks ask here.

Once too, a wrong checksum is sent: only where the server refuses it does a right one that it returns count as a proof
(`integrity`). What this module refuses to do: leave anything behind; the probe has a name that is no image's, and
`purge` finds it.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from botocore import exceptions as boto
from botocore.exceptions import ClientError

from imgstore import errors
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3.client import unreadable_file
from imgstore.drivers.s3.errors import translated
from imgstore.drivers.s3.integrity import Answer, Integrity, Piece, Sum
from imgstore.drivers.s3.objects import PROBE, Objects
from imgstore.drivers.s3.request_body import sent
from imgstore.drivers.s3.settings import Settings, bad
from imgstore.drivers.s3.uploads import Uploads

CONTENT = b"imgstore"

_OPTIONS = {
    "NoSuchBucket": ("bucket", "Create it, or set create_bucket = true."),
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
"""The option that a server's refusal speaks of, and the cure."""
_NOT_EVERYWHERE = ("tags", "encryption", "storage_class")
_DENIED = {"AccessDenied", "403", "Forbidden", "AccessForbidden", "AllAccessDisabled", "401", "Unauthorized"}


class Check:
    """Proves one store. `proved`: what need not be proved again."""

    def __init__(self, settings: Settings, objects: Objects, uploads: Uploads, integrity: Integrity) -> None:
        self._settings = settings
        self._objects = objects
        self._uploads = uploads
        self._integrity = integrity
        self._proved = False
        self._provable: Piece | None = None

    def run(self) -> None:
        """Raises ConfigurationError, StoreError."""
        self._expect_files()
        name = PROBE + secrets.token_hex(8)
        if not self._proved:
            self._expect_bucket()
            with self._needs("s3:ListBucket"):
                next(self._objects.listing(start=PROBE), None)
        self._expect_object(name)
        if not self._proved:
            self._expect_upload(name)
            self._proved = True

    def _expect_files(self) -> None:
        option = unreadable_file(self._settings)
        if option is not None:
            raise bad(option, "The file cannot be read.", "Name a file that the service's user can read.")

    def _expect_bucket(self) -> None:
        """Whatever else HEAD says, what follows finds out better."""
        with self._needs("s3:CreateBucket"):
            try:
                self._objects.expect_bucket()
            except ClientError as error:
                if s3_errors.code_of(error) != "NoSuchBucket" or not self._settings.create_bucket:
                    raise
                self._create_bucket()

    def _create_bucket(self) -> None:
        wanted: dict[str, Any] = dict(self._objects.bucket)
        region = self._settings.region
        if self._settings.endpoint_url is None and region not in {None, "us-east-1"}:
            wanted["CreateBucketConfiguration"] = {"LocationConstraint": region}
        try:
            self._objects.call(lambda s3: s3.create_bucket(**wanted))
        except ClientError as error:
            if s3_errors.code_of(error) != "BucketAlreadyOwnedByYou":
                raise

    def _expect_object(self, name: str) -> None:
        piece = self._integrity.piece(memoryview(CONTENT), 0, self._integrity.candidate or "md5")
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove, name)
            with self._needs(*self._putting()):
                answer = self._objects.traits.send(lambda more: self._put(name, more), [piece.sent.extra])
            with self._needs("s3:GetObject"):
                content = self._objects.get(name, start=0, stop=None)["Body"].read()
            if content != CONTENT:
                raise errors.IntegrityError("The bucket does not give back what was written.")
            self._integrity.judge(piece, memoryview(CONTENT), answer)
            self._integrity.learn_etag(piece)
            if not self._proved and piece.parameters and self._refuses(lambda wrong: self._put(name, wrong), piece):
                self._provable = piece

    def _put(self, name: str, more: dict[str, Any]) -> Answer:
        wanted = self._objects.new(name, "probe")
        return self._objects.call(lambda s3: s3.put_object(**wanted, Body=sent(memoryview(CONTENT)), **more))

    def _refuses(self, request: Callable[[dict[str, Any]], object], piece: Piece) -> bool:
        """Whether the server refuses the content with a checksum of something else."""
        wrong = Sum(piece.sent.name, bytes(byte ^ 1 for byte in piece.sent.value))
        try:
            request(dict(wrong.extra.parameters))
        except ClientError as error:
            return 400 <= s3_errors.status_of(error) < 500
        return False

    def _putting(self) -> Iterator[str]:
        yield "s3:PutObject"
        if self._settings.tags:
            yield "s3:PutObjectTagging"
        if (self._settings.encryption or "").startswith("aws:kms"):
            yield "kms:GenerateDataKey and kms:Decrypt"

    def _remove(self, name: str) -> None:
        with self._needs("s3:DeleteObject"):
            self._objects.call(lambda s3: s3.delete_object(**self._objects.place(name)))

    def _expect_upload(self, name: str) -> None:
        named = {} if self._provable is None else {"ChecksumAlgorithm": self._provable.sent.name.upper()}
        with self._needs("s3:PutObject"):
            upload = self._uploads.begin(**self._objects.new(name, "probe"), **named)["UploadId"]
        with contextlib.ExitStack() as undo:
            undo.callback(self._abort, name, upload)
            self._prove_for_parts({**self._objects.place(name), "UploadId": upload, "PartNumber": 1})
        with self._needs("s3:ListBucketMultipartUploads"):
            try:
                next(self._uploads.listing(), None)
            except ClientError as error:
                if not s3_errors.unknown(error):
                    raise

    def _prove_for_parts(self, wanted: dict[str, Any]) -> None:
        piece, self._provable = self._provable, None
        if piece is None:
            return

        def upload(more: dict[str, Any]) -> object:
            return self._objects.call(lambda s3: s3.upload_part(**wanted, Body=sent(memoryview(CONTENT)), **more))

        with self._needs("s3:PutObject"):
            if self._refuses(upload, piece):
                self._integrity.learn_proof(piece.sent.name)

    def _abort(self, name: str, upload: str) -> None:
        with self._needs("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"):
            self._uploads.abort(name, upload)

    @contextlib.contextmanager
    def _needs(self, *permissions: str) -> Iterator[None]:
        """Inside, a refusal names the option that it speaks of, or the permissions that are needed."""
        needed = " and ".join(permissions)
        with translated("checking the store"):
            try:
                yield
            except ClientError as error:
                raise self._refusal(error, needed) or error from None
            except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError):
                raise bad(
                    "access_key", "No keys were found, here or in the places where boto3 looks.",
                    "Set access_key and secret_key, or a profile, or give the machine a role.",
                ) from None  # fmt: skip

    def _refusal(self, error: ClientError, needed: str) -> errors.ConfigurationError | None:
        code = s3_errors.code_of(error)
        if code in _OPTIONS:
            option, cure = _OPTIONS[code]
            return bad(option, f"The server refuses it ({code}).", cure)
        unknown = [option for option in _NOT_EVERYWHERE if getattr(self._settings, option)]
        if unknown and (code == "NotImplemented" or s3_errors.status_of(error) == 501):
            return bad(unknown[0], f"The server does not know it ({code}).", "Unset it.")
        if code in _DENIED or code.startswith("KMS.AccessDenied"):
            return bad(
                "bucket", f"The keys may not use it as the driver does: {needed} is needed and was refused.",
                "Grant it, on the bucket and on the objects below the prefix.",
            )  # fmt: skip
        return None
