"""Limits of projects from Keystone (unified limits), read by oslo.limit with the names that Glance gives them.

    image_size_total        MiB of all images' copies
    image_count_total       images
    image_count_uploading   uploads at a time

A name that is not registered in Keystone is a limit of 0, and -1 is none, as everywhere in OpenStack. Only the numbers
come from there: what is in use is the ledger's, and it alone decides, since a check against Keystone and an upload
after it would race. The numbers may be as old as `limits_age`; while Keystone cannot be asked the last ones hold.

oslo.limit reads the process's one global configuration, so what `[oslo_limit]` has is put there. What stores have room
for, and what a project may take in one store, is not Keystone's and comes from the ini file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException
from oslo_config import cfg
from oslo_limit import exception, limit, opts

from imgstore import errors
from imgstore.limits import Allowance, Limits
from imgstore.model import MIB
from imgstore.service.auth.identity import IdentityUnavailable
from imgstore.service.auth.policy_rules import quiet

LOG = logging.getLogger(__name__)
SECTION = "oslo_limit"
SIZE, IMAGES, UPLOADS = "image_size_total", "image_count_total", "image_count_uploading"
AWAY = (ClientException, SDKException)


class UnifiedLimits:
    """Implements `Limits`. `others`: those that are not Keystone's; `age` in seconds.

    Raises ConfigurationError where Keystone cannot be asked with these options.
    """

    def __init__(self, conf: cfg.ConfigOpts, *, others: Limits, age: float) -> None:
        self._others = others
        self._age = age
        self._known: dict[str, tuple[float, Allowance]] = {}
        _publish(conf)
        try:
            with quiet("oslo.limit"):
                self._enforcer = limit.Enforcer(lambda project, names: dict.fromkeys(names, 0), cache=False)
        except (exception.SessionInitError, ValueError, *AWAY) as error:
            raise _unusable(f"the limits cannot be read ({error}).", "Correct its options.") from error

    def project(self, owner: str) -> Allowance:
        """See Limits. Raises IdentityUnavailable if Keystone cannot be asked, and never could for this project."""
        known = self._known.get(owner)
        if known is not None and time.monotonic() - known[0] < self._age:
            return known[1]
        try:
            allowance = self._ask(owner)
        except AWAY as error:
            if known is None:
                detail = f"{type(error).__name__}: {error}"
                raise IdentityUnavailable("The limits are not known.", detail=detail, retry_after=10) from error
            LOG.warning("Keystone does not tell the limits of a project (%s): the last ones hold", type(error).__name__)
            allowance = known[1]
        self._known[owner] = (time.monotonic(), allowance)
        return allowance

    def project_in_store(self, owner: str, store: str) -> Allowance:
        """See Limits."""
        return self._others.project_in_store(owner, store)

    def store(self, store: str) -> Allowance:
        """See Limits."""
        return self._others.store(store)

    def _ask(self, owner: str) -> Allowance:
        """All names at once: asked for one that is not registered, oslo.limit fails where it logs that."""
        registered = self._enforcer.get_registered_limits(None)  # type: ignore[arg-type]  # it means all, undeclared
        own = self._enforcer.get_project_limits(owner, None)  # type: ignore[arg-type]  # as above
        found = {**dict(registered), **dict(own)}
        size = _number(found, SIZE)
        return Allowance(None if size is None else size * MIB, _number(found, IMAGES), _number(found, UPLOADS))


def options(conf: cfg.ConfigOpts) -> Sequence[cfg.Opt]:
    """What [oslo_limit] may have. Raises ConfigurationError."""
    known = {option.dest: option for option in _common()}
    conf.register_opts(list(known.values()), group=SECTION)
    name = conf[SECTION].auth_type
    if not name:
        raise _unusable("is not set.", "Set it, as in 'auth_type = password'.", "auth_type")
    try:
        with quiet("stevedore"):
            plugin = loading.get_auth_plugin_conf_options(loading.get_plugin_loader(name))
    except ClientException as error:
        raise _unusable(f"there is no '{name}'.", "Use 'password', for example.", "auth_type") from error
    return [*known.values(), *(option for option in plugin if option.dest not in known)]


def _common() -> list[cfg.Opt]:
    """What oslo.limit itself registers, of the very same objects or it says that they are there twice."""
    return [
        *loading.get_auth_common_conf_options(),
        *loading.get_session_conf_options(),
        *loading.get_adapter_conf_options(include_deprecated=False),
        *(option for option in opts.list_opts()[0][1] if option.dest.startswith("endpoint_")),
    ]


def _publish(conf: cfg.ConfigOpts) -> None:
    """For oslo.limit, which knows no other configuration than the global one."""
    for option in options(conf):
        value = conf[SECTION][option.dest]
        if value is not None:
            cfg.CONF.register_opt(option, group=SECTION)
            cfg.CONF.set_override(option.dest, value, group=SECTION)


def _number(found: Mapping[str, int], name: str) -> int | None:
    value = found.get(name, 0)
    return None if value < 0 else value


def _unusable(problem: str, cure: str, option: str | None = None) -> errors.ConfigurationError:
    return errors.ConfigurationError(problem, section=SECTION, option=option, cure=cure)
