"""A proof on live servers: in few requests, and nothing of it stays."""

from __future__ import annotations

import json

import pytest

from imgstore.driver.place import NOTES
from imgstore.model import MIB
from imgstore.proving import Outcome, prove
from imgstore.testing.faults import FaultProxy
from tests.proving.servers import FILES, MARK
from tests.s3.places import MotoPlace, Place, RgwPlace
from tests.support.moto import MotoServer
from tests.support.rgw import RgwServer, needs_rgw

pytestmark = pytest.mark.long
MOST_REQUESTS = 300
OPTIONS = {"part_size": 5 * MIB, "read_block_size": 12 * MIB}


def proved(place: Place) -> list[Outcome]:
    """On a bucket, counted, with the check before it."""
    with FaultProxy(place.endpoint) as proxy:
        place.entrance = proxy.url
        driver = place.driver(**OPTIONS)
        driver.expect_mark(driver.write_mark(MARK))
        driver.check()
        outcomes = prove(driver)
        driver.close()
        assert len(proxy.requests) <= MOST_REQUESTS
    assert place.names() <= set(NOTES)
    return outcomes


def expect_proof(outcomes: list[Outcome]) -> None:
    """Every law holds, as in the table of the documents."""
    found = {outcome.fact: outcome for outcome in outcomes}
    assert [outcome for outcome in outcomes if not outcome.good] == []
    told = {row["fact"]: row["result"] for row in json.loads((FILES / "ceph-s3.json").read_text())}
    assert {name: outcome.result.value for name, outcome in found.items()} == told
    assert found["uploads under way are listed"].found == "yes: an unfinished multipart upload"
    assert found["largest object tried"].found == f"{5 * MIB + 7} bytes"


def test_a_bucket_of_moto_is_proved(moto: MotoServer) -> None:
    expect_proof(proved(MotoPlace(moto)))


@needs_rgw
def test_a_bucket_of_ceph_is_proved(rgw: RgwServer) -> None:
    expect_proof(proved(RgwPlace(rgw)))
