"""A host of its own counts by the names of the reference service, whose alerts and panels then fit it."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from imgstore.observers.prometheus import PrometheusObserver
from imgstore.service.metrics import Metrics
from tests.core.copying_world import SIZE, Copying

PAGE = Path(__file__).parent.parent.parent / "doc" / "observers.md"


def families(text: bytes) -> set[str]:
    return set(re.findall(r"(?m)^# HELP (imgstore_\w+)(?<!_created) ", text.decode()))


def test_a_host_has_the_metrics_of_the_service_and_the_page_names_them() -> None:
    registry = CollectorRegistry()
    world = Copying(observers=[PrometheusObserver(registry)])
    ours = families(generate_latest(registry))
    assert ours == {name for name in families(Metrics().text()) if not name.startswith("imgstore_http")}
    assert ours == set(re.findall(r"`(imgstore_\w+)`", PAGE.read_text()))
    assert registry.get_sample_value("imgstore_upload_bytes_total", {"store": world.where[0]}) == SIZE
