"""A proof on live servers: in few requests, and nothing of it stays."""

from __future__ import annotations

import pytest

from imgstore.model import MIB
from imgstore.proving import Outcome, Result, prove
from imgstore.testing.faults import FaultProxy
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
        driver.check()
        outcomes = prove(driver)
        driver.close()
        assert len(proxy.requests) <= MOST_REQUESTS
    assert place.names() == set()
    return outcomes


def expect_proof(outcomes: list[Outcome]) -> None:
    """Every law holds but for what no S3 server can have."""
    found = {outcome.fact: outcome for outcome in outcomes}
    assert [outcome for outcome in outcomes if not outcome.good] == []
    unknown = {outcome.fact for outcome in outcomes if outcome.result is Result.NOT_APPLICABLE}
    assert unknown == {"the place is marked"}
    assert found["uploads under way are listed"].found == "yes: an unfinished multipart upload"
    assert found["largest object tried"].found == f"{5 * MIB + 7} bytes"
    assert "server: If-None-Match is honoured" in found


def test_a_bucket_of_moto_is_proved(moto: MotoServer) -> None:
    expect_proof(proved(MotoPlace(moto)))


@needs_rgw
def test_a_bucket_of_ceph_is_proved(rgw: RgwServer) -> None:
    expect_proof(proved(RgwPlace(rgw)))
