"""glance_store's stores, configured by oslo.config and called as Glance does. Its filesystem store is in `bench.sides`.

Imported by name, since it lives in the benchmark's own environment only.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence

from bench.network.sides import all_there
from bench.network.source import Source
from bench.sides import IMAGE, Run

GROUP = "glance_store"


class Peer:
    """The store in `module`, with `options`. Each call is given `context`, which a multi-tenant one wants."""

    def __init__(self, module: str, options: Mapping[str, object], **context: object) -> None:
        from oslo_config import cfg

        self._module = importlib.import_module(module)
        self._context = context
        logging.getLogger("glance_store").setLevel(logging.ERROR)
        conf = cfg.ConfigOpts()
        importlib.import_module("glance_store").register_opts(conf)
        conf([], project="bench", default_config_files=[], default_config_dirs=[])
        conf.register_opts(self._module.Store.OPTIONS, group=GROUP)
        for name, value in options.items():
            conf.set_override(name, value, group=GROUP)
        self._store = self._module.Store(conf)
        self._store.configure(re_raise_bsc=True)

    def add(self, size: int, *, declared: int, compared: Sequence[str]) -> Run:
        """An upload. `declared`: the size that is told before, 0 for none; `compared`: digests that others find too."""
        source = Source(size)

        def run() -> dict[str, str]:
            _, written, md5, sha512, _ = self._store.add(IMAGE, source, declared, "sha512", **self._context)
            digests = {"md5": md5, "sha512": sha512}
            return {**all_there(written, size), **{name: digests[name] for name in compared}}

        return run

    def get(self, size: int, specs: Mapping[str, str]) -> Run:
        """A download of what is at `specs`, as the store names places."""
        location = importlib.import_module("glance_store.location").Location(
            specs["scheme"], self._module.StoreLocation, self._store.conf, store_specs=specs
        )

        def run() -> dict[str, str]:
            body, _ = self._store.get(location, **self._context)
            return all_there(sum(map(len, body)), size)

        return run
