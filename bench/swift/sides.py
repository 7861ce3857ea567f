"""The sides on Swift: what the others do between a source and the server, and how they and imgstore are set up.

What is prepared, before the first byte, is not measured; what comes of it is. All are as they are by default.
"""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from bench.body import MIB
from bench.network.peer import Peer
from bench.network.sides import BOTH, DOWN, ONE_BODY, UNKNOWN, UP, AnyAccess, Side, all_there, named, our_run
from bench.sides import IMAGE, OURS, PEER, Run

__all__ = [
    "BOTH", "CURL", "DOWN", "ONE_BODY", "OURS", "PEER", "RUNS", "SERVICE", "SIDES", "UNKNOWN", "UP", "Access", "Side",
]  # fmt: skip

SERVICE, CURL = "SwiftService", "curl"
SEGMENT = 32 * MIB
COMPARED = ("sha512",)

SIDES = named(
    Side(OURS, UP),
    Side(OURS, UP, UNKNOWN),
    Side(OURS, UP, BOTH),
    Side(PEER, UP, BOTH),
    Side(PEER, UP, f"{BOTH}:{UNKNOWN}"),
    Side(SERVICE, UP),
    Side(CURL, UP),
    Side(OURS, DOWN),
    Side(OURS, DOWN, ONE_BODY),
    Side(PEER, DOWN),
    Side(SERVICE, DOWN),
    Side(CURL, DOWN),
)


@dataclass(frozen=True)
class Access(AnyAccess):
    """The server, an account on it with a token, and the image as a file for those who read one."""

    auth_url: str
    login: str
    key: str
    storage_url: str
    token: str
    container: str
    source: str


def _ours(side: Side, size: int, access: Access) -> Run:
    from imgstore.drivers.swift import SwiftDriver

    make = partial(
        SwiftDriver, auth_version="1", auth_url=access.auth_url, username=access.login, password=access.key,
        container=access.container, create_container=True,
    )  # fmt: skip
    return our_run(side, size, make, compared=COMPARED)


def _peer(access: Access) -> Peer:
    """Multi-tenant, since it is then given a token, as here: its other mode wants a Keystone."""
    options = {
        "multi_tenant": True, "use_trusts": False, "endpoint": access.storage_url, "container": access.container,
        "create_container_on_put": True,
    }  # fmt: skip
    context = SimpleNamespace(auth_token=access.token, service_catalog=[], user_id="bench", project_id="bench")
    options = {f"swift_store_{name}": value for name, value in options.items()}
    return Peer("glance_store._drivers.swift.store", options, context=context)


def _peer_add(side: Side, size: int, access: Access) -> Run:
    """A known size below 5 GB is one object there, an unknown one a dynamic large object in chunks of 200 MB."""
    return _peer(access).add(size, declared=0 if side.extra.endswith(UNKNOWN) else size, compared=COMPARED)


def _peer_get(side: Side, size: int, access: Access) -> Run:
    specs = {"scheme": "swift+http", "container": f"{access.container}_{IMAGE}", "obj": IMAGE}
    return _peer(access).get(size, specs | {"auth_or_store_url": access.storage_url})


def _service(access: Access) -> Any:
    """What the command line `swift` is made of."""
    module = importlib.import_module("swiftclient.service")
    options = {"auth_version": "1.0", "auth": access.auth_url, "user": access.login, "key": access.key}
    return module.SwiftService(options)


def _service_upload(side: Side, size: int, access: Access) -> Run:
    service, module = _service(access), importlib.import_module("swiftclient.service")
    upload = module.SwiftUploadObject(access.source, object_name=IMAGE)
    options = {"segment_size": str(SEGMENT), "use_slo": True}

    def run() -> dict[str, str]:
        for result in service.upload(access.container, [upload], options=options):
            if not result["success"]:
                raise RuntimeError(str(result.get("error")))
        return {}

    return run


def _service_download(side: Side, size: int, access: Access) -> Run:
    service = _service(access)

    def run() -> dict[str, str]:
        results = list(service.download(access.container, [IMAGE], options={"no_download": True}))
        if not all(result["success"] for result in results):
            raise RuntimeError(str(results))
        return all_there(sum(result["read_length"] for result in results), size)

    return run


def _curl(access: Access, *arguments: str) -> Run:
    url = f"{access.storage_url}/{access.container}/{IMAGE}"
    token = f"X-Auth-Token: {access.token}"
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--header", token]

    def run() -> dict[str, str]:
        subprocess.run([*command, *arguments, url], check=True, capture_output=True)
        return {}

    return run


def _curl_upload(side: Side, size: int, access: Access) -> Run:
    return _curl(access, "--header", "Expect:", "--upload-file", access.source)


def _curl_download(side: Side, size: int, access: Access) -> Run:
    return _curl(access)


RUNS: Mapping[tuple[str, str], Callable[[Side, int, Access], Run]] = {
    (OURS, UP): _ours,
    (OURS, DOWN): _ours,
    (PEER, UP): _peer_add,
    (PEER, DOWN): _peer_get,
    (SERVICE, UP): _service_upload,
    (SERVICE, DOWN): _service_download,
    (CURL, UP): _curl_upload,
    (CURL, DOWN): _curl_download,
}
