"""An image that is said to be signed never becomes active unverified."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from imgstore import errors
from imgstore.sql import NewImage, SqlCatalog
from imgstore.transfers.inspection import FormatInspection
from imgstore.transfers.taps import verify_signatures
from tests.sql.conftest import OWNER, queued_image, request
from tests.support.client import new_id
from tests.support.forwarding import Forwarding

SIGNED = {"img_signature": "c2lnbmVk", "os_type": "linux"}


class Verifier(FormatInspection):
    """A tap factory as a host's would be."""

    verifies_signatures = True


def test_signed_image_is_refused_unless_the_host_verifies(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.sqlite"
    for taps in ([], [FormatInspection()]):
        assert not verify_signatures(taps)
    with contextlib.closing(
        SqlCatalog(url, verifies_signatures=verify_signatures([FormatInspection(), Forwarding(Verifier())]))
    ) as verifying:
        signed = verifying.create(
            NewImage(new_id(), "project", disk_format="raw", container_format="bare", properties=SIGNED)
        )
        verifying.release(verifying.begin(request(signed.id), ["fast"]))
        plain = queued_image(verifying)
        verifying.update(plain, OWNER, lambda image: replace(image, properties=SIGNED))
    with contextlib.closing(SqlCatalog(url)) as other:
        with pytest.raises(errors.InvalidRequest, match="remove img_signature from"):
            other.create(NewImage(new_id(), "project", properties=SIGNED))
        with pytest.raises(errors.InvalidRequest, match="img_signature"):
            other.begin(request(signed.id), ["fast"])
        other.update(signed.id, OWNER, lambda image: replace(image, name="renamed"))
        with pytest.raises(errors.InvalidRequest, match="img_signature_key_type"):
            other.update(
                queued_image(other), OWNER, lambda image: replace(image, properties={"img_signature_key_type": "x"})
            )
        other.update(signed.id, OWNER, lambda image: replace(image, properties={}))
        other.release(other.begin(request(signed.id), ["fast"]))
