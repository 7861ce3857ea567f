"""The sides: what each does between a source and the server, behind one function.

`prepare` does what costs before the first byte; what it returns is measured. All are as they are by default; what they
do of digests differs, and is said in their names.
"""

from __future__ import annotations

import importlib
import logging
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from bench.body import MIB
from bench.s3.source import Source
from bench.sides import IMAGE

Run = Callable[[], dict[str, str]]

OURS, PEER, SERVICE, CURL = "imgstore", "glance_store", "SwiftService", "curl"
UP, DOWN = "upload", "download"
BOTH, UNKNOWN = "md5+sha512", "unknown"
SEGMENT = 32 * MIB


@dataclass(frozen=True)
class Access:
    """The server, an account on it with a token, and the image as a file for those who read one."""

    auth_url: str
    login: str
    key: str
    storage_url: str
    token: str
    container: str
    source: str


@dataclass(frozen=True)
class Side:
    """Who does what. `extra` tells apart what one of them can do in several ways."""

    who: str
    action: str
    extra: str = ""

    @property
    def name(self) -> str:
        """How tables and options name the side."""
        return ":".join(filter(None, (self.action, self.who, self.extra)))


SIDES = {
    side.name: side
    for side in (
        Side(OURS, UP),
        Side(OURS, UP, UNKNOWN),
        Side(OURS, UP, BOTH),
        Side(PEER, UP, BOTH),
        Side(PEER, UP, f"{BOTH}:{UNKNOWN}"),
        Side(SERVICE, UP),
        Side(CURL, UP),
        Side(OURS, DOWN),
        Side(OURS, DOWN, "ahead"),
        Side(PEER, DOWN),
        Side(SERVICE, DOWN),
        Side(CURL, DOWN),
    )
}


def prepare(side: Side, *, size: int, access: Access) -> Run:
    """What is measured of `side`."""
    runs: dict[tuple[str, str], Callable[[Side, int, Access], Run]] = {
        (OURS, UP): _our_session if side.extra == BOTH else _our_driver,
        (OURS, DOWN): _our_reader,
        (PEER, UP): _peer_add,
        (PEER, DOWN): _peer_get,
        (SERVICE, UP): _service_upload,
        (SERVICE, DOWN): _service_download,
        (CURL, UP): _curl_upload,
        (CURL, DOWN): _curl_download,
    }
    return runs[side.who, side.action](side, size, access)


def _driver(access: Access, **options: Any) -> Any:
    from imgstore.drivers.swift import SwiftDriver

    driver = SwiftDriver(
        auth_version="1", auth_url=access.auth_url, username=access.login, password=access.key,
        container=access.container, create_container=True, **options,
    )  # fmt: skip
    driver.check()
    return driver


def _our_driver(side: Side, size: int, access: Access) -> Run:
    driver, source = _driver(access), Source(size)

    def run() -> dict[str, str]:
        with driver.open_writer(IMAGE, size=None if side.extra == UNKNOWN else size) as writer:
            for chunk in source.chunks():
                writer.write(chunk)
            writer.commit()
        return {}

    return run


def _our_session(side: Side, size: int, access: Access) -> Run:
    from imgstore.catalog import MemoryCatalog
    from imgstore.model import UploadRequest
    from imgstore.store import Store, StoreSet
    from imgstore.upload import UploadService, UploadSettings

    catalog, source = MemoryCatalog(), Source(size)
    catalog.create(IMAGE)
    stores = StoreSet([Store("bench", _driver(access))], default="bench")
    uploads = UploadService(stores, catalog=catalog, settings=UploadSettings(hash_algo="sha512", checksum=True))

    def run() -> dict[str, str]:
        with uploads.begin(UploadRequest(IMAGE, size=size)) as session:
            for chunk in source.chunks():
                session.write(chunk)
            result = session.finish()
        return {"sha512": result.hash_value}

    return run


def _our_reader(side: Side, size: int, access: Access) -> Run:
    driver = _driver(access, read_concurrency=4 if side.extra else 1)

    def run() -> dict[str, str]:
        with driver.open_reader(IMAGE) as reader:
            return _all_there(sum(map(len, reader)), size)

    return run


def _peer(access: Access) -> Any:
    """glance_store's Swift store, configured by oslo.config. Multi-tenant, since it is then given a token, as here: its
    other mode wants a Keystone."""
    from oslo_config import cfg

    # By name, since the peer lives in the benchmark's own environment only.
    glance_store = importlib.import_module("glance_store")
    swift = importlib.import_module("glance_store._drivers.swift.store")
    logging.getLogger("glance_store").setLevel(logging.ERROR)
    conf = cfg.ConfigOpts()
    glance_store.register_opts(conf)
    conf([], project="bench", default_config_files=[], default_config_dirs=[])
    conf.register_opts(swift.Store.OPTIONS, group="glance_store")
    options = {
        "multi_tenant": True, "use_trusts": False, "endpoint": access.storage_url, "container": access.container,
        "create_container_on_put": True,
    }  # fmt: skip
    for name, value in options.items():
        conf.set_override(f"swift_store_{name}", value, group="glance_store")
    store = swift.Store(conf)
    store.configure(re_raise_bsc=True)
    return store


def _context(access: Access) -> SimpleNamespace:
    return SimpleNamespace(auth_token=access.token, service_catalog=[], user_id="bench", project_id="bench")


def _peer_add(side: Side, size: int, access: Access) -> Run:
    """A known size below 5 GB is one object there, an unknown one a dynamic large object in chunks of 200 MB."""
    store, source, context = _peer(access), Source(size), _context(access)
    declared = 0 if side.extra.endswith(UNKNOWN) else size

    def run() -> dict[str, str]:
        _, written, _, sha512, _ = store.add(IMAGE, source, declared, "sha512", context=context)
        return {**_all_there(written, size), "sha512": sha512}

    return run


def _peer_get(side: Side, size: int, access: Access) -> Run:
    store, context = _peer(access), _context(access)
    location = importlib.import_module("glance_store.location")
    module = importlib.import_module("glance_store._drivers.swift.store")
    specs = {"scheme": "swift+http", "container": f"{access.container}_{IMAGE}", "obj": IMAGE}
    specs |= {"auth_or_store_url": access.storage_url}
    found = location.Location("swift+http", module.StoreLocation, store.conf, store_specs=specs)

    def run() -> dict[str, str]:
        body, _ = store.get(found, context=context)
        return _all_there(sum(map(len, body)), size)

    return run


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
        return _all_there(sum(result["read_length"] for result in results), size)

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


def _all_there(found: int, size: int) -> dict[str, str]:
    if found != size:
        raise ValueError(f"{found} bytes of {size} came.")
    return {}
