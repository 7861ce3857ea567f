"""The clients as libraries: each a program of its own, so that what they warn of stays theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import Programs
from tests.support.service import ServiceProcess


@pytest.mark.parametrize("library", ["library_glance", "library_sdk"])
def test_library_does_everything_and_leaves_nothing(
    programs: Programs, service: ServiceProcess, data: Path, library: str
) -> None:
    programs.run("python", "-m", f"tests.clients.{library}", service.client.url, str(data))
    assert service.objects() == []
    assert service.client.get("/v2/images").json()["images"] == []
