"""doc/moving-from-glance.md, command by command, on a real Glance; and what died or was refused there is purged."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imgstore.driver.place import NOTES
from tests.glance.house import PART, House
from tests.support.glance import GlanceServer
from tests.support.moto import MotoBucket, MotoServer
from tests.support.waiting import until

pytestmark = pytest.mark.long

PAGE = Path(__file__).parent.parent.parent / "doc" / "moving-from-glance.md"
OLD, NEW = bytes(range(256)) * 4000, bytes(reversed(range(256))) * 5000
LARGE = {"Content-Type": "application/octet-stream", "Content-Length": str(3 * PART), "X-Image-Meta-Store": "cold"}
PLACES = {"/etc/glance": "", "/var/lib/glance/imgstore": "places", "/etc/imgstore": "", "/var/lib/imgstore": "var"}


@dataclasses.dataclass
class Operator:
    """Does what the page says, in this Glance's directories."""

    glance: GlanceServer

    @property
    def house(self) -> House:
        """Glance as it is now."""
        return House(self.glance)

    def follow(self, chapter: str, **words: str) -> list[str]:
        """Runs the chapter's commands, and returns what each prints. `words` stand for those in capitals."""
        text = PAGE.read_text().partition(f"\n## {chapter}\n")[2].partition("\n## ")[0]
        blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        return [self._run(line, words) for line in "".join(blocks).replace("$ ", "").splitlines()]

    def rows(self, command: str, *, status: int = 0) -> list[dict[str, Any]]:
        """What one of the commands prints, in JSON."""
        found: list[dict[str, Any]] = json.loads(
            self._shell(f"{command} --config-file glance-api.conf -f json", status)
        )
        return found

    def _run(self, line: str, words: dict[str, str]) -> str:
        if line.startswith("systemctl "):
            for action in {"restart": ("stop", "start")}.get(line.split()[1], (line.split()[1],)):
                getattr(self.glance, action)()
            return ""
        for word, meaning in words.items():
            line = line.replace(word, meaning)
        return self._shell(line, 1 if line.startswith("imgstore verify") and words else 0)

    def _shell(self, line: str, status: int) -> str:
        for path, name in PLACES.items():
            line = re.sub(rf"{path}\b", str(self.glance.root / name).rstrip("/"), line)
        variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.glance.root, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def stock_backends(root: Path, bucket: MotoBucket) -> dict[str, dict[str, object]]:
    """Glance's own drivers, and where imgstore's are to keep their notes."""
    megabytes = PART // 1024**2
    return {
        "fast:file": {"filesystem_store_datadir": root / "fast", "places_dir": root / "places"},
        "cold:s3": {
            "s3_store_host": bucket.endpoint, "s3_store_bucket": bucket.name, "s3_store_region_name": bucket.region,
            "s3_store_access_key": bucket.access_key, "s3_store_secret_key": bucket.secret_key,
            "s3_store_bucket_url_format": "path", "s3_store_large_object_size": megabytes,
            "s3_store_large_object_chunk_size": megabytes, "places_dir": root / "places",
        },
    }  # fmt: skip


def test_the_page_moves_glance_and_moves_it_back(tmp_path: Path, database: Path, moto: MotoServer) -> None:
    (tmp_path / "fast").mkdir()
    bucket = moto.bucket()
    glance = GlanceServer(tmp_path, database, stock_backends(tmp_path, bucket))
    (tmp_path / "glance-api.conf").chmod(0o600)
    operator = Operator(glance)
    with glance:
        images = {operator.house.stored(OLD, store=store): OLD for store in ("fast", "cold")}
        operator.follow("Look first")
        operator.follow("Glance stays")
        _read(operator, images)
        images |= {operator.house.stored(NEW, store=store): NEW for store in ("fast", "cold")}
        refused = _refused(operator)
        killed = _killed_and_alive(operator, bucket)
        _purged(operator, bucket, refused=refused, killed=killed)
        _rot_is_seen(operator, next(iter(images)))
        operator.follow("Back to Glance's own drivers")
        _read(operator, images)
        image = next(iter(images))
        printed = operator.follow("Another service replaces Glance", IMAGE=image, PROJECT="project")
        assert image in printed[7]
        _read(operator, images)


def _everything(bucket: MotoBucket) -> set[str]:
    return {name for name in bucket.everything() if name not in NOTES}


def _read(operator: Operator, images: dict[str, bytes]) -> None:
    for image, body in images.items():
        assert operator.house.client.download(image).body == body


def _refused(operator: Operator) -> str:
    """An image that Glance refused twice after its data was stored. Of the first time Glance notes location, size and
    digests, although it says 415; other data is refused for that, and has no location."""
    house = operator.house
    image = house.client.create(disk_format="qcow2")
    house.refused(house.client.upload(image, OLD, store="fast"), 415, image)
    assert house.client.upload(image, NEW, store="fast").status >= 400
    assert house.client.show(image)["status"] == "queued"
    return image


def _killed_and_alive(operator: Operator, bucket: MotoBucket) -> str:
    """An image whose upload was killed with Glance, which runs again."""
    house, before = operator.house, _everything(bucket)
    image = house.client.create()
    with house.client.connect("PUT", f"/v2/images/{image}/file", LARGE) as connection:
        connection.sendall(bytes(2 * PART))
        until(lambda: _everything(bucket) != before)
        operator.glance.kill()
    operator.glance.start()
    return image


def _purged(operator: Operator, bucket: MotoBucket, *, refused: str, killed: str) -> None:
    """The two go; an upload under way stays, and ends well."""
    client, end = operator.house.client, threading.Event()
    alive = client.create()
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(client.upload, alive, _slowly(end), store="fast")
        try:
            until(lambda: client.show(alive)["status"] == "saving")
            assert operator.rows("imgstore purge fast") == [], "all of it is young; moto says 2010 of every upload"
            rows = operator.rows("imgstore purge --older-than 0s")
        finally:
            end.set()
        assert upload.result().status == 204
    assert all(row["removed"] for row in rows)
    assert sorted((row["store"], row["name"][:36]) for row in rows) == [("cold", killed), ("fast", refused)]
    assert client.download(alive).body.endswith(b"end")
    assert {name for name in operator.house.files("fast") if name.startswith(refused)} == {refused}
    assert operator.house.client.delete(refused).status == 204
    assert refused not in operator.house.files("fast")
    assert not any(killed in name for name in _everything(bucket))
    assert operator.rows("imgstore verify --digests") == []


def _slowly(end: threading.Event) -> Iterator[bytes]:
    """A body that goes on until `end`: uwsgi gives up a client that is silent for four seconds."""
    while not end.wait(0.5):
        yield bytes(10_000)
    yield b"end"


def _rot_is_seen(operator: Operator, image: str) -> None:
    """A byte is turned, seen, and turned back."""
    file = operator.house.datadir("fast") / image
    right = file.read_bytes()
    file.write_bytes(bytes([right[0] ^ 1]) + right[1:])
    (row,) = operator.rows("imgstore verify --digests", status=1)
    assert (row["problem"], row["image"]) == ("digest", image)
    (row,) = operator.rows("imgstore scrub", status=1)
    assert (row["result"], row["image"]) == ("wrong", image)
    file.write_bytes(right)
    assert operator.rows("imgstore scrub") == []
