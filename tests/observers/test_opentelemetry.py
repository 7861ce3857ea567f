"""Each transfer is a span with its image, stores, bytes and outcome, and each store and the commit are its children."""

from __future__ import annotations

import time
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from imgstore import errors
from imgstore.observers.opentelemetry import OpenTelemetryObserver
from imgstore.transfers.begin import ANY
from imgstore.transfers.download import DownloadService
from tests.core.copying_world import BODY, SIZE, Copying, break_reads
from tests.core.world import DOWN, IMAGE, NAMES, World


class Traces:
    """What was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self._provider.get_tracer("host")
        self.observer = OpenTelemetryObserver(self._provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and attributes; children come before their parents."""
        return [
            (span.name.removeprefix("imgstore."), {key.rpartition(".")[2]: value for key, value in self._of(span)})
            for span in self.spans
        ]

    def _of(self, span: ReadableSpan) -> list[tuple[str, Any]]:
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
        return [(key, value) for key, value in (span.attributes or {}).items() if key != "imgstore.image.id"]


@pytest.fixture
def traces() -> Traces:
    return Traces()


def test_an_upload_is_a_span_with_its_store_and_its_commit_below(traces: Traces) -> None:
    World(observers=[traces.observer]).upload([b"he", b"llo"], size=5)
    done = {"bytes": 5, "outcome": "done"}
    assert traces.told() == [
        ("commit", done), ("store", {"store": "fast", **done}), ("upload", {"stores": ("fast",), "size": 5, **done}),
    ]  # fmt: skip
    commit, store, upload = traces.spans
    assert upload.parent is None
    assert upload.context is not None
    assert upload.attributes is not None
    assert upload.attributes["imgstore.image.id"] == IMAGE
    for child in (commit, store):
        assert child.parent is not None
        assert child.parent.span_id == upload.context.span_id
        assert (upload.start_time or 0) <= (child.start_time or 0)


def test_a_step_has_its_own_times(traces: Traces) -> None:
    world, pause = World(observers=[traces.observer]), 0.05
    world.driver.hooks["commit"] = lambda: time.sleep(pause)
    world.upload([b"body"])
    for span in traces.spans:
        assert (span.end_time or 0) - (span.start_time or 0) >= pause * 1e9, span.name


def test_a_transfer_is_below_the_span_of_the_hosts_request(traces: Traces) -> None:
    with traces.tracer.start_as_current_span("request") as request:
        World(observers=[traces.observer]).upload([b"body"])
    upload = traces.spans[-2]
    assert upload.parent is not None
    assert upload.parent.span_id == request.get_span_context().span_id


def test_right_blame_a_store_that_is_left_out_is_a_failed_span_of_a_good_upload(traces: Traces) -> None:
    world = World(*NAMES, mode=ANY, observers=[traces.observer])
    world.drivers["far"].fails("commit", DOWN)
    world.upload([b"body"], "fast", "far")
    stores = {attributes["store"]: attributes for name, attributes in traces.told() if name == "store"}
    assert stores["fast"] == {"store": "fast", "bytes": 4, "outcome": "done"}
    assert stores["far"] == {"store": "far", "bytes": 4, "outcome": "failed", "type": "store-unavailable"}
    assert traces.told()[-1][1]["outcome"] == "done"


def test_right_blame_a_failed_or_abandoned_upload_says_so_where_it_failed(traces: Traces) -> None:
    world = World(*NAMES, observers=[traces.observer])
    world.drivers["far"].fails("commit", errors.StoreUnavailable("secret words"))
    with pytest.raises(errors.StoreUnavailable):
        world.upload([b"body"], "fast", "far")
    world.begin("fast").abort()
    with pytest.raises(errors.UnknownStore):
        world.begin("nowhere")
    failed, given_up = {"outcome": "failed", "type": "store-unavailable"}, {"outcome": "given-up"}
    assert [(name, each["outcome"], each.get("type")) for name, each in traces.told()] == [
        ("commit", *failed.values()), ("store", "given-up", None), ("store", *failed.values()),
        ("upload", *failed.values()),
        ("store", *given_up.values(), None), ("upload", *given_up.values(), None),
        ("upload", "failed", "unknown-store"),
    ]  # fmt: skip
    assert traces.spans[3].status.status_code is StatusCode.ERROR
    assert traces.spans[5].status.status_code is StatusCode.UNSET
    assert "secret" not in "".join(span.to_json() for span in traces.spans)


def test_a_download_has_a_span_for_each_store_that_it_read(traces: Traces) -> None:
    world = Copying("fast", "far")
    break_reads(world.drivers["fast"], SIZE // 2)
    downloads = DownloadService(
        world.stores, source=world.rows, resumes=0, sleep=lambda seconds: None, observers=[traces.observer]
    )
    with downloads.open(world.image, prefer=["fast"]) as download:
        assert b"".join(download) == BODY
    (_, first), (_, second), (name, whole) = traces.told()
    assert (name, whole["bytes"], whole["outcome"]) == ("download", SIZE, "done")
    assert (first["store"], first["bytes"], first["type"]) == ("fast", SIZE // 2, "store-unavailable")
    assert second == {"store": "far", "bytes": SIZE - SIZE // 2, "outcome": "done"}


def test_a_copy_is_a_span_as_an_upload_is(traces: Traces) -> None:
    world = Copying(watching_copies=[traces.observer])
    world.copy("far", "cold")
    assert [name for name, _ in traces.told()] == ["commit", "store", "store", "copy"]
    assert {each["bytes"] for _, each in traces.told()} == {SIZE}


def test_without_an_sdk_nothing_is_kept() -> None:
    observer = OpenTelemetryObserver()
    World(observers=[observer]).begin("fast")
    assert observer._under_way == {}
