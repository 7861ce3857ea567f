"""What a program does with python-glanceclient: run as `python -m tests.clients.library_glance URL FILE`."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import glanceclient  # type: ignore[import-untyped]  # it has no types

from tests.support.client import Client


def main(url: str, path: Path) -> None:
    """Every step fails with a traceback."""
    glance, data = glanceclient.Client("2", endpoint=url, token="none"), path.read_bytes()
    images = glance.images
    for store, size in ((None, len(data)), ("slow", len(data)), ("slow", None)):
        image = images.create(name="library", disk_format="raw", container_format="bare", os_type="linux")
        with path.open("rb") as file:
            images.upload(image.id, file, image_size=size, backend=store)
        stored = images.get(image.id)
        assert (stored.status, stored.size, stored.stores) == ("active", len(data), store or "fast")
        assert b"".join(images.data(image.id)) == data
        images.update(image.id, name="renamed", remove_props=["os_type"], os_distro="linux", tags=["a", "b"])
        changed = images.get(image.id)
        assert (changed.name, changed.os_distro, changed.tags) == ("renamed", "linux", ["a", "b"])
        assert "os_type" not in changed
        assert [each.id for each in images.list(filters={"tag": ["a"]}, page_size=1)] == [image.id]
        images.deactivate(image.id)
        assert images.get(image.id).status == "deactivated"
        images.reactivate(image.id)
        images.delete(image.id)
    made = [Client(url).create(name="page") for _ in range(5)]
    listed = images.list(filters={"name": "page"}, page_size=2, sort="created_at:asc")
    assert [each.id for each in itertools.islice(listed, 10)] == made
    for image_id in made:
        images.delete(image_id)
    assert glance.info.get_usage()["image_count_total"]["usage"] == 0


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
