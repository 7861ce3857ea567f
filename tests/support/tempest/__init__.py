"""OpenStack's own tests of the Image API, Tempest's, run on a service that a real Keystone knows. They are in
`.venv/tempest`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.child import python_of
from tests.support.keystone import PASSWORD, PROJECTS, REGION, Keystone

LAUNCH = Path(__file__).with_name("launch.py")
PACKAGE = "tempest.api.image.v2"
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
# Of Keystone's own users, since new ones for each class of tests cost half of the time.
use_dynamic_credentials = false
test_accounts_file = {root}/accounts.json
[identity]
auth_version = v3
uri_v3 = {url}
region = {region}
[image]
catalog_type = {kind}
# Any page will do.
http_image = {url}
http_qcow2_image = {url}
build_timeout = 60
build_interval = 0
[service_available]
glance = true
neutron = false
nova = false
cinder = false
swift = false
[image-feature-enabled]
# It uploads random bytes as every format.
image_format_enforcement = false
{features}
"""

_ACCOUNTS = [
    {"username": f"{role}-{project}", "project_name": project, "password": PASSWORD, "roles": [role], "types": types}
    for role, types in (("member", []), ("reader", []), ("admin", ["admin"]))
    for project in PROJECTS
]
"""Members first: who is to be a stranger is the next one that is free."""


@dataclass(frozen=True)
class Outcome:
    """The tests that passed; those that failed, with their traceback; what was left out, with the reason."""

    passed: list[str]
    failed: dict[str, str]
    skipped: dict[str, str]


def run(
    keystone: Keystone, root: Path, modules: Sequence[str], *, kind: str = "image",
    features: Mapping[str, str] | None = None, without: Sequence[str] = (),
) -> Outcome:  # fmt: skip
    """Runs `modules` of PACKAGE, but the classes `without`, on the service that `keystone` lists as a `kind`, and which
    has `features`."""
    values = {"root": root, "password": PASSWORD, "url": keystone.url, "region": REGION, "kind": kind}
    lines = "\n".join(f"{name} = {value}" for name, value in (features or {}).items())
    (root / "tempest.conf").write_text(_CONFIGURATION.format(**values, features=lines))
    (root / "accounts.json").write_text(json.dumps(_ACCOUNTS))
    command = [str(python_of("tempest")), "-I", str(LAUNCH), *(f"{PACKAGE}.{name}" for name in modules)]
    command += ["--without", *without]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=root, timeout=PATIENCE, check=False,
        env={**os.environ, "TEMPEST_CONFIG_DIR": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout))
