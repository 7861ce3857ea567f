"""OpenStack's own tests of the Image API, Tempest's, with a real Keystone: on the service, and on a Glance whose stores
are imgstore's."""

from __future__ import annotations

from pathlib import Path

from tests.support import tempest
from tests.support.glance import GlanceServer, prepared
from tests.support.keystone import Keystone
from tests.support.service import Options, ServiceProcess

MODULES = (
    "test_images", "test_images_member", "test_images_member_negative", "test_images_negative", "test_images_tags",
    "test_images_tags_negative", "test_versions", "admin.test_images",
)  # fmt: skip
"""Of tempest.api.image.v2. The others ask for metadata definitions, tasks and the cache, or need Nova."""
PASSING = 48
ABSENT = (
    "glance-direct import method", "glance-download import method", "web-download import method",
    "show_multiple_locations", "http store", "v2.17", "store weight is not configured",
)  # fmt: skip
"""Reasons for which Tempest leaves tests out: imports from elsewhere and locations that clients write are Glance's. The
test of weights imports, too."""
STOCK = Path(__file__).with_name("tempest_in_glance.txt")
GLANCES = {"http_store_enabled": "true", "manage_locations": "true", "store_weight_enabled": "true"}
"""Features that only Glance has."""
OF_OTHERS = ("LocationImportTest", "MultistoreLocationImportTest")
"""What they wait for is a task of Glance's, on a page that its own store for HTTP reads: no byte passes ours."""
ABSENT_IN_GLANCE = ("glance-download import method", "image_remote service")
"""It would need a second Glance."""


def test_image_tests_of_tempest_pass(keystone: Keystone, tmp_path: Path) -> None:
    options: Options = {
        "imgstore": {"require_image_format_match": "false"},
        "service": {"auth": "keystone"},
        "keystone_authtoken": keystone.section(),
    }
    with ServiceProcess(tmp_path, options=options) as service:
        keystone.offer("image", service.client.url)
        found = tempest.run(keystone, tmp_path, MODULES)
        assert not found.failed, "\n".join(found.failed.values())
        assert _left_out(found, ABSENT) == {}
        assert len(found.passed) >= PASSING
        assert (service.objects(), service.leftovers(), service.catalog.uploads()) == ([], [], 0)


def test_glance_passes_what_it_passes_with_its_own_drivers(keystone: Keystone, tmp_path: Path) -> None:
    (tmp_path / "default-policy.yaml").touch()
    options: dict[str, dict[str, object]] = {
        "DEFAULT": {"show_multiple_locations": "true"},
        "image_format": {"require_image_format_match": "false"},
        "paste_deploy": {"flavor": "keystone"},
        "keystone_authtoken": keystone.section(),
        "oslo_policy": {"policy_file": tmp_path / "default-policy.yaml"},
    }
    stores: dict[str, dict[str, object]] = {
        f"{name}:imgstore_file": {"datadir": tmp_path / name, "places_dir": tmp_path / "places", "weight": weight}
        for name, weight in (("fast", 20), ("slow", 10))
    }
    with GlanceServer(tmp_path / "glance", prepared(tmp_path), {**stores, "web:http": {}}, options=options) as glance:
        keystone.offer("image-of-glance", glance.client.url)
        found = tempest.run(
            keystone, tmp_path, MODULES, kind="image-of-glance", features=GLANCES, without=OF_OTHERS
        )  # fmt: skip
    assert not found.failed, "\n".join(found.failed.values())
    assert _left_out(found, ABSENT_IN_GLANCE) == {}
    stock = {line for line in STOCK.read_text().splitlines() if not line.startswith("#")}
    assert {name.removeprefix(f"{tempest.PACKAGE}.").partition("[")[0] for name in found.passed} == stock


def _left_out(found: tempest.Outcome, absent: tuple[str, ...]) -> dict[str, str]:
    """What Tempest left out for other reasons than these."""
    return {test: why for test, why in found.skipped.items() if not any(part in why for part in absent)}
