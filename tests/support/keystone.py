"""A real Keystone for tests: on SQLite, on a free port of 127.0.0.1, everything it writes below one directory.

It is installed in an environment of its own (`make test-long` builds it). There are the projects `one` and `two` with
the users `<role>-<project>` for the roles admin, member and reader, and the user `imgstore`, the service's own; all
have the same password.
"""

from __future__ import annotations

import getpass
import grp
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.child import Child, python_of
from tests.support.client import send
from tests.support.running import Running

PASSWORD = "not-a-secret-here"
PROJECTS = ("one", "two")
ROLES = ("admin", "member", "reader")
DOMAIN = {"id": "default"}
REGION = "RegionOne"
PATIENCE = 120.0
DATABASE = "keystone.sqlite"
KEYS = ("fernet", "receipts", "credential")

_CONFIGURATION = """\
[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{data}/keystone.sqlite
[cache]
# Of the one process, so it knows of every revocation; without it each token costs half a second of a core.
enabled = true
backend = dogpile.cache.memory
[token]
expiration = {expiration}
[fernet_tokens]
key_repository = {data}/fernet
[fernet_receipts]
key_repository = {data}/receipts
[credential]
key_repository = {data}/credential
[identity]
password_hash_rounds = 4
"""


@dataclass(frozen=True)
class Endpoint:
    """Where Keystone says that a service is."""

    service_id: str
    endpoint_id: str


class Keystone(Running):
    """One Keystone; use it as a context manager. `root` is where its configuration and log are; `data` where database
    and keys are, which several may share; `expiration`: seconds that its tokens are good for."""

    def __init__(self, root: Path, *, data: Path | None = None, expiration: int = 3600) -> None:
        self.root = root
        self.configuration = root / "keystone.conf"
        self.configuration.write_text(_CONFIGURATION.format(data=data or root, expiration=expiration))
        self._programs = python_of("keystone").parent
        self.url = ""
        self._child: Child | None = None
        self._ids: dict[str, str] = {}
        self._roles: dict[str, str] = {}

    @classmethod
    def made(cls, root: Path) -> Keystone:
        """With a database, keys and the user `admin`, of which `copy` makes more in no time."""
        made = cls(root)
        made._manage("db_sync")
        with sqlite3.connect(root / DATABASE) as database:
            database.execute("PRAGMA journal_mode=WAL")  # else parallel requests find it locked
        database.close()
        owner = ("--keystone-user", getpass.getuser(), "--keystone-group", grp.getgrgid(os.getgid()).gr_name)
        made._manage("fernet_setup", *owner)
        made._manage("credential_setup", *owner)
        made._manage("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION)
        return made

    def copy(self, root: Path) -> Keystone:
        """Another one, before either was started."""
        shutil.copy(self.root / DATABASE, root)
        for keys in KEYS:
            shutil.copytree(self.root / keys, root / keys)
        return Keystone(root)

    def populate(self) -> None:
        """Makes projects, users and roles, and lists Keystone itself in the catalog."""
        token = self.token("admin", "admin")
        self._roles = {role["name"]: role["id"] for role in self._ask(token, "GET", "/roles", None)["roles"]}
        for project in PROJECTS:
            self.add_project(project)
        self._project(token, "service")
        self._user(token, "imgstore", "service", "admin")
        self.offer("identity", self.url)

    def add_project(self, name: str) -> None:
        """Makes a project and its users."""
        token = self.token("admin", "admin")
        self._project(token, name)
        for role in ROLES:
            self._user(token, f"{role}-{name}", name, role)

    def project(self, name: str) -> str:
        """The identifier of a project."""
        return self._ids[name]

    def offer(self, kind: str, url: str) -> Endpoint:
        """Lists a service at `url` in the catalog."""
        token = self.token("admin", "admin")
        service = self._ask(token, "POST", "/services", {"service": {"type": kind, "name": f"{kind} of the test"}})
        service_id = service["service"]["id"]
        endpoint = {"service_id": service_id, "interface": "public", "region_id": REGION, "url": url}
        made = self._ask(token, "POST", "/endpoints", {"endpoint": endpoint})
        return Endpoint(service_id, made["endpoint"]["id"])

    def register_limit(self, endpoint: Endpoint, resource: str, limit: int) -> str:
        """The limit of every project; gives its identifier."""
        value = self._limited(endpoint, resource, default_limit=limit)
        body = self._ask(self.system_token(), "POST", "/registered_limits", {"registered_limits": [value]})
        return str(body["registered_limits"][0]["id"])

    def limit_project(self, endpoint: Endpoint, project: str, resource: str, limit: int) -> None:
        """Another limit for one project."""
        value = self._limited(endpoint, resource, resource_limit=limit, project_id=self.project(project))
        self._ask(self.system_token(), "POST", "/limits", {"limits": [value]})

    def change_limit(self, identifier: str, limit: int) -> None:
        """The limit of every project, from now on."""
        value = {"registered_limit": {"default_limit": limit}}
        self._ask(self.system_token(), "PATCH", f"/registered_limits/{identifier}", value)

    def _limited(self, endpoint: Endpoint, resource: str, **more: object) -> dict[str, object]:
        return {"service_id": endpoint.service_id, "region_id": REGION, "resource_name": resource, **more}

    def token(self, user: str, project: str) -> str:
        """A new token of a user in a project."""
        return self._token(user, {"project": {"name": project, "domain": DOMAIN}})

    def unscoped_token(self, user: str) -> str:
        """A new token of a user in no project."""
        return self._token(user, "unscoped")

    def system_token(self) -> str:
        """A new token of the whole system, for `admin`."""
        return self._token("admin", {"system": {"all": True}})

    def ec2_credentials(self, user: str, project: str) -> tuple[str, str]:
        """A new access key and its secret, for services with an S3 API."""
        token = self.token(user, project)
        asked = {"X-Auth-Token": token, "X-Subject-Token": token}
        user_id = json.loads(self._request("GET", "/auth/tokens", asked)[2])["token"]["user"]["id"]
        path, body = f"/users/{user_id}/credentials/OS-EC2", {"tenant_id": self._ids[project]}
        made = self._ask(token, "POST", path, body)["credential"]
        return made["access"], made["secret"]

    def user_of(self, token: str) -> str:
        """The identifier of the user whose token this is."""
        status, _, body = self._request("GET", "/auth/tokens", {"X-Auth-Token": token, "X-Subject-Token": token})
        assert status == 200, body
        identifier: str = json.loads(body)["token"]["user"]["id"]
        return identifier

    def application_credential(self, token: str, name: str) -> tuple[str, str]:
        """A new application credential of the token's user and project: its identifier and its secret."""
        path = f"/users/{self.user_of(token)}/application_credentials"
        made = self._ask(token, "POST", path, {"application_credential": {"name": name}})["application_credential"]
        return made["id"], made["secret"]

    def revoke(self, token: str) -> None:
        """Ends a token before its time."""
        status, _, body = self._request("DELETE", "/auth/tokens", {"X-Auth-Token": token, "X-Subject-Token": token})
        assert status == 204, body

    def variables(self, user: str, project: str) -> dict[str, str]:
        """What OpenStack's clients read of their environment."""
        return {
            "OS_AUTH_URL": self.url, "OS_USERNAME": user, "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default", "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": "RegionOne",
        }  # fmt: skip

    def section(self) -> dict[str, object]:
        """[keystone_authtoken] of a service; tokens are not cached, so that a revoked one is refused at once."""
        return {
            "www_authenticate_uri": self.url, "auth_url": self.url, "auth_type": "password", "username": "imgstore",
            "password": PASSWORD, "project_name": "service", "user_domain_id": "default",
            "project_domain_id": "default", "interface": "public", "token_cache_time": -1,
            "http_request_max_retries": 0, "http_connect_timeout": 30,
        }  # fmt: skip

    def program(self, name: str) -> str:
        """A program of Keystone's environment."""
        return str(self._programs / name)

    def start(self) -> None:
        """Starts the process and waits until it listens."""
        self._child = Child(
            Path(__file__).with_name("keystone_server.py"), str(self.root), name="keystone", root=self.root
        )
        self.url = f"http://127.0.0.1:{self._child.port}/v3"

    def stop(self) -> None:
        """Ends the process; a no-op if there is none."""
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def _token(self, user: str, scope: object) -> str:
        password = {"user": {"name": user, "domain": DOMAIN, "password": PASSWORD}}
        auth = {"identity": {"methods": ["password"], "password": password}, "scope": scope}
        status, headers, body = self._request("POST", "/auth/tokens", {}, {"auth": auth})
        assert status == 201, body
        return headers["x-subject-token"]

    def _manage(self, *arguments: str) -> None:
        command = [self.program("keystone-manage"), "--config-file", str(self.configuration), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=self.root, check=False)
        assert done.returncode == 0, done.stderr

    def _project(self, token: str, name: str) -> None:
        self._ids[name] = self._ask(token, "POST", "/projects", {"project": {"name": name}})["project"]["id"]

    def _user(self, token: str, name: str, project: str, role: str) -> None:
        user = {"name": name, "password": PASSWORD}
        user_id = self._ask(token, "POST", "/users", {"user": user})["user"]["id"]
        self._ask(token, "PUT", f"/projects/{self._ids[project]}/users/{user_id}/roles/{self._roles[role]}", None)

    def _ask(self, token: str, method: str, path: str, value: object) -> Any:
        status, _, body = self._request(method, path, {"X-Auth-Token": token}, value)
        assert status in (200, 201, 204), (method, path, status, body)
        return json.loads(body) if body else None

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], value: object = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        body = None if value is None else json.dumps(value).encode()
        answer = send(method, f"{self.url}{path}", body=body, headers={"Content-Type": "application/json", **headers})
        return answer.status, answer.headers, answer.body
