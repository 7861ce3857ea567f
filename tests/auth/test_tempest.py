"""OpenStack's own tests of the Image API, Tempest's, on the service with a real Keystone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.child import python_of
from tests.support.keystone import PASSWORD, REGION, Keystone
from tests.support.service import Options, ServiceProcess
from tests.support.tempest import launch

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
PATIENCE = 300.0

_CONFIGURATION = """\
[DEFAULT]
log_dir = {root}
[oslo_concurrency]
lock_path = {root}
[auth]
admin_username = admin
admin_password = {password}
admin_project_name = admin
admin_domain_name = Default
tempest_roles = member
[identity]
auth_version = v3
uri_v3 = {url}
region = {region}
[service_available]
glance = true
neutron = false
nova = false
cinder = false
swift = false
[image-feature-enabled]
# It uploads random bytes as every format.
image_format_enforcement = false
"""


def test_image_tests_of_tempest_pass(keystone: Keystone, tmp_path: Path) -> None:
    options: Options = {
        "imgstore": {"require_image_format_match": "false"},
        "service": {"auth": "keystone"},
        "keystone_authtoken": keystone.section(),
    }
    with ServiceProcess(tmp_path, options=options) as service:
        keystone.offer("image", service.client.url)
        passed, failed, skipped = _run(keystone, tmp_path)
        assert failed == {}
        assert {test: why for test, why in skipped.items() if not any(part in why for part in ABSENT)} == {}
        assert len(passed) >= PASSING
        assert (service.objects(), service.leftovers(), service.catalog.uploads()) == ([], [], 0)


def _run(keystone: Keystone, root: Path) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """What passed, what failed with its traceback, and what was left out with the reason."""
    values = {"root": root, "password": PASSWORD, "url": keystone.url, "region": REGION}
    (root / "tempest.conf").write_text(_CONFIGURATION.format(**values))
    modules = [f"tempest.api.image.v2.{name}" for name in MODULES]
    done = subprocess.run(
        [python_of("tempest"), "-I", launch.__file__, *modules], capture_output=True, text=True, cwd=root,
        timeout=PATIENCE, env={**os.environ, "TEMPEST_CONFIG_DIR": str(root)}, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(done.stderr)
    told = json.loads(done.stdout)
    return told["passed"], told["failed"], told["skipped"]
