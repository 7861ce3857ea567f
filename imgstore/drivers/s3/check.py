"""The proof that a bucket works: the check does once each thing that the driver does, and names what it may not do
(`refusals`).

It never creates a bucket. An upload in parts needs a permission that seldom changes, so it is proved once; an object is
stored, read and removed every time, since health checks ask here.

The first check also sends a wrong checksum: only if the server refuses it, a right one that it returns counts as a
proof (`integrity`). A check leaves nothing behind; the name of its probe is no image's, and `purge` finds it.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imgstore import errors
from imgstore.driver.options import bad
from imgstore.drivers.s3 import errors as s3_errors
from imgstore.drivers.s3 import uploads
from imgstore.drivers.s3.client import unreadable_file
from imgstore.drivers.s3.integrity import Integrity, Piece, Sum
from imgstore.drivers.s3.objects import PROBE
from imgstore.drivers.s3.options import S3Options
from imgstore.drivers.s3.probes import MARK, Probe
from imgstore.drivers.s3.refusals import Refusals
from imgstore.drivers.s3.requests import Requests
from imgstore.drivers.s3.server_traits import ABSENT, ABSENT_AT_END

_WORDS = {True: "yes", False: "no"}
CONTENT = memoryview(b"imgstore")


class Check:
    """Proves one store."""

    def __init__(self, options: S3Options, requests: Requests, integrity: Integrity) -> None:
        self._options = options
        self._needs = Refusals(options).needs
        self._requests = requests
        self._integrity = integrity
        self._proved = self._versioned = self._compares = False
        self._lists_uploads = True

    def run(self) -> None:
        """Raises ConfigurationError, StoreError."""
        option = unreadable_file(self._options)
        if option is not None:
            raise bad(option, "The file cannot be read.", "Name a file that the service's user can read.")
        if not self._proved:
            with self._needs("s3:ListBucket"):
                self._requests.head_bucket()  # it tells only whether there is one; what follows says what is wrong
                next(self._requests.list_objects(PROBE), None)
        with self._probe() as probe:
            provable = self._expect_object(probe)
            if not self._proved:
                self._expect_upload(probe.name, provable)
                self._compares = self._refuses_wrong_bytes(probe)
                self._expect_conditions(probe)
                self._expect_large_object()
                self._tell_of_versions(probe)
        self._proved = True

    def facts(self) -> Mapping[str, str]:
        """What the first check found out about the server, in words."""
        if not self._proved:
            return {}
        traits = self._requests.traits
        return {
            "If-None-Match is honoured": _WORDS[ABSENT.trait not in traits.refused],
            "and where parts become an object": _WORDS[ABSENT_AT_END.trait not in traits.refused],
            "a wrong checksum is refused": _WORDS[self._compares],
            "checksums that are compared and returned": ", ".join(sorted(traits.proven)) or "none",
            "the ETag of a small object is its md5": _WORDS[bool(traits.md5_etags)],
            "multipart uploads are listed": _WORDS[self._lists_uploads],
            "versions are kept": _WORDS[self._versioned],
        }

    @contextlib.contextmanager
    def _probe(self) -> Iterator[Probe]:
        """A probe that is removed in the end."""
        probe = Probe(self._requests, self._options, PROBE + secrets.token_hex(8))
        try:
            yield probe
        finally:
            with self._needs("s3:DeleteObject and, of a bucket that keeps versions, s3:DeleteObjectVersion"):
                probe.remove()

    def _expect_object(self, probe: Probe) -> Piece | None:
        """The probe's checksum, if the server returned it and refused a wrong one; None else, or if that is known."""
        piece = self._integrity.piece(CONTENT, 0, self._integrity.candidate or "md5")
        put = self._requests.put_object
        with self._needs(*self._putting()):
            answer = probe.make(put, probe.name, MARK, CONTENT, [piece.sent.extra])
        with self._needs("s3:GetObject"):
            content = self._requests.get_object(probe.name)[1].read()
        if content != CONTENT:
            raise errors.IntegrityError("The bucket does not give back what was written.")
        self._expect_encryption(answer)
        self._integrity.judge(piece, CONTENT, answer)
        self._integrity.learn_etag(piece)
        with self._needs(*self._putting()):
            again = not self._proved and bool(piece.parameters)
            return piece if again and self._refuses(piece, probe.make, put, probe.name, MARK, CONTENT) else None

    def _expect_conditions(self, probe: Probe) -> None:
        """A server that ignores a condition is asked beforehand, as one that refuses it."""
        requests = self._requests
        with self._needs("s3:PutObject"), self._upload(probe.name) as upload:
            parts = probe.parts(upload, [CONTENT])
            if probe.is_replaced(requests.put_object, probe.name, MARK, CONTENT, [ABSENT]):
                requests.traits.learn_refused([ABSENT])
            if probe.is_replaced(requests.complete_upload, probe.name, upload, parts):
                requests.traits.learn_refused([ABSENT_AT_END])

    def _tell_of_versions(self, probe: Probe) -> None:
        self._versioned = probe.versioned
        if probe.versioned:
            self._requests.traits.warn_once(
                "versions",
                f"Bucket {self._options.bucket} keeps versions: a deleted image keeps its bytes there until a rule of "
                "the bucket's life cycle removes old versions",
            )

    def _expect_encryption(self, answer: Mapping[str, Any]) -> None:
        """Some servers take the header and do not encrypt."""
        wanted = self._options.encryption
        if wanted is not None and answer.get("ServerSideEncryption") != wanted:
            raise bad(
                "encryption", "The server takes it and does not encrypt.", "Set it up on the server, or unset it."
            )

    def _refuses_wrong_bytes(self, probe: Probe) -> bool:
        """Whether the checksum that uploads send is compared with the bytes."""
        piece = self._integrity.piece(CONTENT, 0, self._integrity.algorithm())
        with self._needs(*self._putting()):
            return self._refuses(piece, probe.make, self._requests.put_object, probe.name, MARK, CONTENT)

    def _refuses(self, piece: Piece, request: Callable[..., object], *arguments: Any) -> bool:
        """Whether the server refuses a request with a checksum of something else."""
        wrong = Sum(piece.sent.name, bytes(byte ^ 1 for byte in piece.sent.value))
        try:
            request(*arguments, **wrong.extra.parameters)
        except errors.StoreError as error:
            if not s3_errors.status_of(error):
                raise
            return s3_errors.code_of(error) in s3_errors.BAD_DIGEST
        return False

    def _putting(self) -> Iterator[str]:
        yield "s3:PutObject"
        if self._options.tags:
            yield "s3:PutObjectTagging"
        if (self._options.encryption or "").startswith("aws:kms"):
            yield "kms:GenerateDataKey and kms:Decrypt"

    def _expect_upload(self, name: str, provable: Piece | None) -> None:
        algorithm = "md5" if provable is None else provable.sent.name
        with self._needs("s3:PutObject"), self._upload(name, algorithm) as upload:
            if provable and self._refuses(provable, self._requests.upload_part, name, upload, 1, CONTENT):
                self._integrity.learn_proof(algorithm)
        with self._needs("s3:ListBucketMultipartUploads"):
            next(uploads.listing(self._requests), None)
            self._lists_uploads = not self._requests.traits.has_warned(uploads.NO_LIST)

    def _expect_large_object(self) -> None:
        """One can be made, and read across its parts."""
        with self._probe() as probe, self._needs("s3:PutObject", "s3:GetObject"), self._upload(probe.name) as upload:
            probe.join(upload, CONTENT)

    @contextlib.contextmanager
    def _upload(self, name: str, algorithm: str = "md5") -> Iterator[str]:
        """An upload in parts, which is aborted in the end unless it was completed."""
        upload: str = self._requests.create_upload(name, MARK, algorithm)["UploadId"]
        try:
            yield upload
        finally:
            needed = self._needs("s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")
            with needed, contextlib.suppress(errors.ObjectNotFound):  # how Swift calls one that was completed
                uploads.abort(self._requests, name, upload)
