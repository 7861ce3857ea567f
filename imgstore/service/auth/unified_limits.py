"""Limits of projects from Keystone (unified limits), read by oslo.limit with the names that Glance gives them.

    image_size_total        MiB of all images' copies
    image_count_total       images
    image_count_uploading   uploads at a time

As everywhere in OpenStack a name that is not registered in Keystone is a limit of 0, and -1 is no limit. Keystone gives
only the numbers: the ledger counts what is in use and decides, since a check against Keystone would race with uploads
(held). The numbers may be `limits_age` seconds old; while Keystone cannot be asked, the last ones hold.

oslo.limit reads the process's one global configuration, so the options of `[oslo_limit]` are put there. The capacities
of stores, and the limits of a project in one store, come from the ini file.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence

from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException, ConnectFailure, HttpServerError
from openstack.exceptions import SDKException
from oslo_config import cfg
from oslo_limit import exception, limit, opts

from imgstore.limits import Allowance, Limits
from imgstore.model import MIB
from imgstore.service.auth import identity

LOG = logging.getLogger(__name__)
SECTION = "oslo_limit"
SIZE, IMAGES, UPLOADS = "image_size_total", "image_count_total", "image_count_uploading"
MANY = 10_000
"""Projects that are remembered."""
AWAY = (ClientException, SDKException, *identity.MALFORMED)

DOWN = (ConnectFailure, HttpServerError, json.JSONDecodeError)
"""Keystone itself, or what stands in its place: it may pass."""


class UnifiedLimits:
    """Implements `Limits`, for any thread. `others`: the limits that are not Keystone's; `age` in seconds. Raises
    ConfigurationError where Keystone cannot be asked with these options, IdentityUnavailable where it is down."""

    def __init__(self, conf: cfg.ConfigOpts, *, others: Limits, age: float) -> None:
        self.others = others
        self._age = age
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Allowance]] = {}
        self._timeout = _publish(conf)
        try:
            with identity.quiet("oslo.limit"):
                self._enforcer = limit.Enforcer(lambda project, names: dict.fromkeys(names, 0), cache=False)
        except DOWN as error:
            detail = f"{type(error).__name__}: {error}"
            raise identity.unavailable(f"[{SECTION}]: Keystone does not tell the limits.", detail) from error
        except (exception.SessionInitError, *AWAY) as error:
            problem = f"the limits cannot be read ({error})."
            raise identity.unusable(problem, "Correct its options.", section=SECTION) from error
        identity.bound(self._enforcer.connection.session)

    def project(self, owner: str) -> Allowance:
        """The limits of a project. Raises IdentityUnavailable if Keystone cannot be asked and never told them."""
        known = self._known.get(owner)
        if known is not None and time.monotonic() - known[0] < self._age:
            return known[1]
        try:
            allowance = self._ask(owner)
        except AWAY as error:
            if known is None:
                raise identity.unavailable("The limits are not known.", f"{type(error).__name__}: {error}") from error
            LOG.warning("Keystone does not tell the limits of a project (%s): the last ones hold", type(error).__name__)
            allowance = known[1]
        self._remember(owner, allowance)
        return allowance

    def _remember(self, owner: str, allowance: Allowance) -> None:
        """In place of the one that was asked for longest ago, where there are many."""
        with self._lock:
            self._known.pop(owner, None)
            if len(self._known) >= MANY:
                del self._known[next(iter(self._known))]
            self._known[owner] = (time.monotonic(), allowance)

    def project_in_store(self, owner: str, store: str) -> Allowance:
        return self.others.project_in_store(owner, store)

    def store(self, store: str) -> Allowance:
        return self.others.store(store)

    def _ask(self, owner: str) -> Allowance:
        """All names at once: oslo.limit fails for a single one that is not registered."""
        with identity.deadline(self._timeout):
            registered = self._enforcer.get_registered_limits(None)  # type: ignore[arg-type]  # it means all, undeclared
            own = self._enforcer.get_project_limits(owner, None)  # type: ignore[arg-type]  # as above
        found = {**dict(registered), **dict(own)}
        size = _number(found, SIZE)
        return Allowance(None if size is None else size * MIB, _number(found, IMAGES), _number(found, UPLOADS))


def options(conf: cfg.ConfigOpts) -> Sequence[cfg.Opt]:
    """The options of [oslo_limit]. Raises ConfigurationError."""
    known = {option.dest: option for option in _common()}
    conf.register_opts(list(known.values()), group=SECTION)
    conf.set_default("timeout", identity.TIMEOUT, group=SECTION)
    plugin = identity.plugin_options(conf[SECTION].auth_type, SECTION)
    return [*known.values(), *(option for option in plugin if option.dest not in known)]


def _common() -> list[cfg.Opt]:
    """The very objects that oslo.limit itself registers: it would take others for duplicates."""
    return [
        *loading.get_auth_common_conf_options(),
        *loading.get_session_conf_options(),
        *loading.get_adapter_conf_options(include_deprecated=False),
        *(option for option in opts.list_opts()[0][1] if option.dest.startswith("endpoint_")),
    ]


def _publish(conf: cfg.ConfigOpts) -> float | None:
    """Puts the options where oslo.limit reads them: it knows only the global configuration. Returns the seconds for one
    answer."""
    for option in options(conf):
        value = conf[SECTION][option.dest]
        if value is not None:
            cfg.CONF.register_opt(option, group=SECTION)
            cfg.CONF.set_override(option.dest, value, group=SECTION)
    timeout: float | None = conf[SECTION].timeout
    return timeout


def _number(found: Mapping[str, int], name: str) -> int | None:
    value = found.get(name, 0)
    return None if value < 0 else value
