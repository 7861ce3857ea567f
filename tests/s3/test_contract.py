"""The S3 driver keeps the contract on every server, whichever way it confirms what it stored."""

from __future__ import annotations

import socket

import pytest

from imgstore.drivers.s3 import S3Driver
from imgstore.testing import DriverContract, Subject
from tests.s3.places import Place


class S3Subject(Subject):
    """Drivers on one place. The broken one's server does not listen."""

    def __init__(self, place: Place) -> None:
        self._place = place
        place.watched = False  # the bench looks itself
        self.secrets = place.secrets
        self.internals = (place.endpoint, place.bucket)
        self.borders = (place.options["part_size"],)

    def open(self) -> S3Driver:
        return self._place.driver()

    def broken(self) -> S3Driver:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        return self._place.driver(endpoint_url=f"http://127.0.0.1:{port}", max_attempts=1)

    def inventory(self) -> set[str]:
        return self._place.names()


class TestS3(DriverContract):
    @pytest.fixture
    def subject(self, place: Place) -> Subject:
        return S3Subject(place)
