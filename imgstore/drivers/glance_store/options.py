"""The options of a store behind a driver of glance_store, as an operator reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from oslo_config import cfg

from imgstore.driver.options import Options, bad, option

KEY = "{key}"
RBD = "rbd"
SNAPSHOT = "snap"
"""What glance_store's RBD driver makes when an image is whole."""


@dataclass(frozen=True, kw_only=True)
class GlanceStoreOptions(Options):
    """The options. Times in seconds. Raises ConfigurationError naming the option (section "")."""

    driver: str = option(
        cfg.StrOpt,
        required=True,
        help="Name of glance_store's driver, as in Glance's enabled_backends: rbd, file, vmware ... One that gives an "
        "image a name of its own choice, as cinder does, cannot be used: its images could not be found again.",
    )
    # Not `option`, which has no default that is made anew for each.
    settings: Mapping[str, str] = field(
        default_factory=dict,
        metadata={"option": partial(
            cfg.DictOpt,
            default={},
            secret=True,
            help="That driver's own options, as in 'rbd_store_pool:images, rbd_store_user:glance'.",
        )},
    )  # fmt: skip
    url_template: str | None = option(
        cfg.StrOpt,
        help="The location that the driver gives to an image, with '{key}' for its name, as in "
        "'file:///srv/images/{key}'. Unset for rbd, whose locations are known. No credential may be in it.",
    )
    patience: float = option(
        cfg.FloatOpt,
        default=60.0,
        min=0.1,
        max=86400,
        help="Seconds in which the driver has to take or give the next piece of an image, or to answer. Then the "
        "operation fails as 'not available'; the call of the driver goes on, since nothing can end it.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.driver != RBD:
            self._refuse_template(self.url_template or "")

    def _refuse_template(self, template: str) -> None:
        if template.count(KEY) != 1 or not urlsplit(template).scheme:
            raise bad(
                "url_template", f"a URL with '{KEY}' in it, once, is needed.", "Write the locations of the driver."
            )
        if "@" in urlsplit(template).netloc:
            raise bad("url_template", "a credential must not be in it.", "Choose a driver without them in locations.")
