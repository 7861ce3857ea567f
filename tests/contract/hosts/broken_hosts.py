"""Deliberately broken hosts: for every test of `HostContract`, and of the promises beside it, one that it catches."""

from __future__ import annotations

import contextlib
import html
import io
from collections.abc import Iterable, Mapping
from typing import Any

from imgstore import errors
from imgstore.quota import MemoryQuota
from tests.contract.hosts.broken_quotas import ChecksOnly
from tests.contract.hosts.house import USER, Environ, House, Reply, Start
from tests.contract.hosts.runner import Mutants


class BrokenHost(House):
    """What mutants are made of: they change requests and answers. `ANSWER`: they answer this, whatever is asked."""

    QUOTA: type[MemoryQuota] = MemoryQuota
    CARELESS = False
    ANSWER = b""

    def __init__(self) -> None:
        super().__init__(self.QUOTA, careless=self.CARELESS)

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        told: list[Any] = []

        def started(status: str, headers: list[tuple[str, str]], failure: object = None, /) -> Any:
            told.extend((status, dict(headers)))

        self.request(environ)
        body = b"".join(self.app(environ, started))
        reply = self.answer(environ, Reply(told[0], told[1], body))
        start(reply.status, list(reply.headers.items()))
        return [reply.body] if reply.body else []

    def request(self, environ: Environ) -> None:
        """Changes the request."""

    def answer(self, environ: Environ, reply: Reply) -> Reply:
        """Changes the answer."""
        return reply


MUTANTS = Mutants[type[BrokenHost]]()
caught_by = MUTANTS.caught_by
NO_CONTENT = "204 No Content"


def image_of(environ: Environ) -> str:
    return str(environ["PATH_INFO"]).split("/")[3]


# Uploads


@caught_by("test_image_comes_out_as_it_went_in")
class AnswersOk(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply("200 OK", {}, b"") if environ["REQUEST_METHOD"] == "PUT" else reply


@caught_by("test_image_comes_out_as_it_went_in")
class LosesTheEnd(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        if len(reply.body) > 65536:
            return Reply(reply.status, reply.headers | {"Content-Length": "65536"}, reply.body[:65536])
        return reply


@caught_by("test_headers_are_taken_at_their_word")
class ComparesCase(BrokenHost):
    def request(self, environ: Environ) -> None:
        if environ.get("CONTENT_TYPE") != "application/octet-stream":
            environ["CONTENT_TYPE"] = "other"


class _ChangesBodies(BrokenHost):
    def request(self, environ: Environ) -> None:
        if environ["REQUEST_METHOD"] == "PUT":
            data = self.changed(environ["wsgi.input"].read())
            environ["wsgi.input"] = io.BytesIO(data)
            if environ.get("CONTENT_LENGTH"):
                environ["CONTENT_LENGTH"] = str(len(data))

    def changed(self, data: bytes) -> bytes:
        return data


@caught_by("test_framing_is_no_part_of_the_image")
class StoresFraming(_ChangesBodies):
    def changed(self, data: bytes) -> bytes:
        return b"5;name=value\r\n" + data


@caught_by("test_what_follows_the_body_is_no_part_of_the_image")
class StoresWhatFollows(_ChangesBodies):
    def changed(self, data: bytes) -> bytes:
        return data + b"more"


@caught_by("test_doomed_upload_is_refused_before_its_body", "test_declared_size_is_enough_to_refuse")
class ReadsFirst(_ChangesBodies):
    """As behind a server that reads a body before it asks the application."""


@caught_by("test_refused_upload_leaves_nothing")
class IgnoresHeaders(BrokenHost):
    def request(self, environ: Environ) -> None:
        for name in [name for name in environ if name.startswith(("HTTP_X_IMAGE", "HTTP_X_OPENSTACK", "HTTP_CONTENT"))]:
            del environ[name]


@caught_by("test_refused_upload_leaves_nothing", "test_image_of_somebody_else_takes_no_upload")
class LeavesAnObject(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        if environ["REQUEST_METHOD"] == "PUT" and reply.status > "4":
            with (
                contextlib.suppress(errors.ObjectExists),
                self.driver.open_writer(f"left-{image_of(environ)}") as writer,
            ):
                writer.commit()
        return reply


@caught_by("test_refused_upload_leaves_nothing")
class StaysSaving(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        if environ["REQUEST_METHOD"] == "PUT" and reply.status > "4":
            self.catalog._rows.pop(image_of(environ))
        return reply


@caught_by("test_refused_upload_leaves_nothing")
class ExplainsNothing(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply(reply.status, {}, b"") if reply.status > "4" else reply


@caught_by("test_length_that_cannot_be_is_refused", "test_two_framings_at_once_are_refused")
@caught_by("test_good_upload_is_asked_for_its_body", "test_framing_that_is_not_known_is_refused")
class AnswersWhateverIsAsked(BrokenHost):
    ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


@caught_by("test_body_of_a_refused_upload_is_never_a_request")
class TakesTheBodyForARequest(BrokenHost):
    EMPTY = b"\r\nContent-Length: 0\r\n\r\n"  # an answer up to the end of the connection is none where that is a reset
    ANSWER = b"HTTP/1.1 415 Unsupported Media Type" + EMPTY + b"HTTP/1.1 404 Not Found" + EMPTY


@caught_by("test_errors_are_escaped")
class EscapesNothing(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        body = html.unescape(reply.body.decode("latin-1")).encode("latin-1")
        return Reply(reply.status, {}, body) if reply.status > "4" else reply


@caught_by("test_image_that_is_not_there_takes_no_upload", "test_image_that_is_not_there_is_not_found")
class CreatesOnDemand(BrokenHost):
    def request(self, environ: Environ) -> None:
        if len(image_of(environ)) == 36 and image_of(environ) not in self.catalog._rows:
            self.catalog.create(image_of(environ), owner=environ[USER])


@caught_by("test_image_of_somebody_else_takes_no_upload", "test_image_that_is_not_there_is_not_found")
class AsksNobody(BrokenHost):
    def request(self, environ: Environ) -> None:
        row = self.catalog._rows.get(image_of(environ))
        environ[USER] = row.owner if row else "nobody"


@caught_by("test_active_image_takes_no_upload")
class Overwrites(BrokenHost):
    def request(self, environ: Environ) -> None:
        row = self.catalog._rows.get(image_of(environ))
        if environ["REQUEST_METHOD"] == "PUT" and row and row.image.status == "active":
            self.delete({}, image_of(environ))
            self.catalog.create(image_of(environ), owner=row.owner)


@caught_by("test_one_of_two_uploads_gets_the_image")
class TellsBothThatTheyWon(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply(NO_CONTENT, {}, b"") if reply.status.startswith("409") else reply


@caught_by("test_errors_are_what_accept_asks_for")
class AlwaysText(BrokenHost):
    def request(self, environ: Environ) -> None:
        environ.pop("HTTP_ACCEPT", None)


@caught_by("test_errors_are_what_accept_asks_for")
class ShowsTracebacks(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply(reply.status, {}, b"Traceback: " + reply.body) if reply.status > "4" else reply


# Bodies that break


class _Swallows:
    """A body whose failures count as its end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except (OSError, ValueError, EOFError):
            return b""
        return data


@caught_by("test_client_that_sends_no_more_leaves_nothing", "test_client_that_dies_leaves_nothing")
@caught_by("test_malformed_framing_leaves_nothing", "test_client_that_sends_no_more_learns_why")
class TakesWhatCame(BrokenHost):
    def request(self, environ: Environ) -> None:
        if environ["REQUEST_METHOD"] == "PUT" and environ.pop("CONTENT_LENGTH", None) != "300":
            environ["wsgi.input"], environ["HTTP_TRANSFER_ENCODING"] = _Swallows(environ["wsgi.input"]), "chunked"
        elif environ["REQUEST_METHOD"] == "PUT":
            environ["CONTENT_LENGTH"] = "300"


# Downloads


class _Forgets(BrokenHost):
    """Says or hears less than it should."""

    UNSAID: tuple[str, ...] = ()
    UNHEARD: tuple[str, ...] = ()

    def request(self, environ: Environ) -> None:
        for name in self.UNHEARD:
            environ.pop(name, None)

    def answer(self, environ: Environ, reply: Reply) -> Reply:
        reply.headers = {name: value for name, value in reply.headers.items() if name not in self.UNSAID}
        return reply


@caught_by("test_whole_image_and_its_headers")
class HasNoEtag(_Forgets):
    UNSAID = ("ETag",)


@caught_by("test_whole_image_and_its_headers")
class HasNoMediaType(_Forgets):
    UNSAID = ("Content-Type",)


@caught_by("test_whole_image_and_its_headers")
class HasAnotherMd5(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        reply.headers |= {"Content-MD5": "0" * 32} if "Content-MD5" in reply.headers else {}
        return reply


@caught_by("test_range_is_partial_content", "test_range_that_cannot_be_is_refused")
class HearsNoRange(_Forgets):
    UNHEARD = ("HTTP_RANGE",)


@caught_by("test_range_that_cannot_be_is_refused", "test_empty_image_has_no_range")
class SaysNoRange(_Forgets):
    UNSAID = ("Content-Range",)


@caught_by("test_ranges_of_old_clients_several_and_of_other_units")
class HearsNoOldRange(_Forgets):
    UNHEARD = ("HTTP_CONTENT_RANGE",)


@caught_by("test_conditions_are_kept")
class HearsNoIfMatch(_Forgets):
    UNHEARD = ("HTTP_IF_MATCH",)


@caught_by("test_conditions_are_kept")
class HearsNoIfNoneMatch(_Forgets):
    UNHEARD = ("HTTP_IF_NONE_MATCH",)


@caught_by("test_conditions_are_kept")
class HearsNoIfRange(_Forgets):
    UNHEARD = ("HTTP_IF_RANGE",)


@caught_by("test_preferred_store_must_be_known")
class HearsNoQuery(_Forgets):
    UNHEARD = ("QUERY_STRING",)


@caught_by("test_image_without_data_has_no_content")
class AnswersOkWithoutData(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        if environ["REQUEST_METHOD"] != "PUT" and reply.status == NO_CONTENT:
            return Reply("200 OK", {"Content-Length": "0"}, b"")
        return reply


@caught_by("test_empty_image_has_no_range")
class EmptyIsNoContent(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply(NO_CONTENT, {}, b"") if reply.headers.get("Content-Length") == "0" else reply


@caught_by("test_one_connection_serves_get_after_head")
class TakesGetForHead(BrokenHost):
    """On a connection that had a HEAD."""

    def __init__(self) -> None:
        super().__init__()
        self._ports: set[str] = set()

    def answer(self, environ: Environ, reply: Reply) -> Reply:
        if environ["REQUEST_METHOD"] == "HEAD":
            self._ports.add(environ["REMOTE_PORT"])
        elif environ["REMOTE_PORT"] in self._ports:
            return Reply(reply.status, {}, b"")
        return reply


# Promises beside


@caught_by("test_largest_image_is_stored_and_one_byte_more_refused", "test_quota_is_met_to_the_byte")
@caught_by("test_content_of_another_format_is_refused")
class Careless(BrokenHost):
    CARELESS = True


@caught_by("test_upload_under_way_holds_its_quota")
class HoldsNothing(BrokenHost):
    QUOTA = ChecksOnly


@caught_by("test_image_deleted_during_its_upload_is_gone")
class TellsThatItIsStored(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply(NO_CONTENT, {}, b"") if reply.status.startswith("410") else reply


@caught_by("test_deleted_image_leaves_nothing")
class KeepsTheObject(BrokenHost):
    def delete(self, caller: Mapping[str, str], image_id: str) -> None:
        self.catalog.delete(image_id)


@caught_by("test_nobody_is_refused")
class TrustsNobody(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        return Reply("403 Forbidden", {}, b"") if reply.status.startswith("401") else reply


@caught_by("test_nobody_is_refused")
class ChallengesNobody(_Forgets):
    UNSAID = ("WWW-Authenticate",)


@caught_by("test_image_goes_to_the_store_that_is_named", "test_read_only_store_takes_nothing")
class HearsNoStore(_Forgets):
    UNHEARD = ("HTTP_X_IMAGE_META_STORE",)


@caught_by("test_read_only_store_takes_nothing")
class SaysForbidden(BrokenHost):
    def answer(self, environ: Environ, reply: Reply) -> Reply:
        reply.status = reply.status.replace("410 Gone", "403 Forbidden")
        return reply


@caught_by("test_image_that_is_said_to_be_signed_is_never_active")
class LooksAtNoSignature(BrokenHost):
    def create_signed(self, caller: Mapping[str, str]) -> str | None:
        return self.create(caller)
