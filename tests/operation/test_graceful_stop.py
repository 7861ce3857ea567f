"""SIGTERM during ten uploads: within the grace period each has ended with 204, or has left nothing."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import pytest

from tests.support.client import OpenUpload
from tests.support.service import ServiceProcess

HALF = b"x" * 100_000
GRACE = 4.0


@pytest.mark.parametrize("store", ["fast", "slow"])
def test_sigterm_during_ten_uploads_leaves_whole_images_or_nothing(tmp_path: Path, store: str) -> None:
    with ServiceProcess(tmp_path, options={"service": {"grace_period": GRACE}}) as service:
        images = [service.client.create() for _ in range(10)]
        quick, stuck = images[:6], images[6:]
        with contextlib.ExitStack() as stack:
            uploads = {
                image_id: stack.enter_context(
                    service.client.begin_upload(image_id, length=None if number % 2 else 2 * len(HALF), store=store)
                )
                for number, image_id in enumerate(images)
            }
            for upload in uploads.values():
                upload.send(HALF)
            service.process.send_signal(signal.SIGTERM)
            statuses = [_finish(uploads[image_id]) for image_id in quick]
            assert service.wait() == 0
            assert [_is_cut(uploads[image_id]) for image_id in stuck] == [True] * len(stuck)
        assert statuses == [204] * len(quick)
        assert service.objects() == sorted(quick)
        assert (service.leftovers(), service.catalog.uploads(), service.catalog.removals()) == ([], 0, [])
        assert [service.catalog.status(image_id) for image_id in images] == ["active"] * 6 + ["queued"] * 4
        service.start()
        assert [len(service.client.download(image_id).body) for image_id in quick] == [2 * len(HALF)] * 6
        assert {service.client.upload(image_id, b"retry").status for image_id in stuck} == {204}


def test_no_upload_begins_after_sigterm(tmp_path: Path) -> None:
    with ServiceProcess(tmp_path, options={"service": {"grace_period": GRACE}}) as service:
        held, late = service.client.create(), service.client.create()
        with service.client.begin_upload(held, length=4) as upload:
            service.process.send_signal(signal.SIGTERM)
            assert service.wait() == 0
            with pytest.raises(ConnectionRefusedError):
                service.client.upload(late, b"late")
            assert _is_cut(upload)
        assert [service.catalog.status(image_id) for image_id in (held, late)] == ["queued", "queued"]
        assert (service.objects(), service.leftovers()) == ([], [])
        service.start()


def _finish(upload: OpenUpload) -> int:
    upload.send(HALF)
    return upload.finish().status


def _is_cut(upload: OpenUpload) -> bool:
    """Whether the client notices that its upload did not end well."""
    try:
        return upload.answer().status >= 400
    except (ConnectionError, OSError):
        return True
