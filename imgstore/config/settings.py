"""What the section [imgstore] says about uploads, quotas and taps. Every function raises ConfigurationError."""

from __future__ import annotations

from oslo_config import cfg

from imgstore import distribution
from imgstore.config.options import SECTION
from imgstore.config.values import own_values
from imgstore.driver.capabilities import HasCapacity
from imgstore.errors import ConfigurationError
from imgstore.limits import Allowance, FixedLimits
from imgstore.store import StoreSet
from imgstore.transfers.taps import TapFactory
from imgstore.transfers.upload import UploadSettings


def upload_settings(conf: cfg.ConfigOpts) -> UploadSettings:
    """The rules for uploads."""
    own = own_values(conf)
    return UploadSettings(
        max_image_size=own["max_image_size"],
        hash_algo=own["hash_algorithm"],
        checksum=own["checksum"],
        several_stores=own["several_stores"],
    )


def project_quota(conf: cfg.ConfigOpts) -> int | None:
    """Bytes that one project's images may take; None: no limit."""
    quota: int | None = own_values(conf)["project_quota"]
    return quota


def quota_limits(conf: cfg.ConfigOpts, stores: StoreSet) -> FixedLimits:
    """What projects and `stores` may take."""
    own = own_values(conf)
    default = Allowance(own["project_quota"], own["project_images"], own["project_uploads"])
    exceptions = [own[f"project_{name}_exceptions"] for name in ("quota", "images", "uploads")]
    sizes, images, uploads = exceptions
    return FixedLimits(
        default=default,
        projects={
            project: Allowance(
                sizes.get(project, default.size),
                images.get(project, default.images),
                uploads.get(project, default.uploads),
            )
            for project in {*sizes, *images, *uploads}
        },
        in_stores={store.identifier: Allowance(size=store.project_quota) for store in stores},
        stores=capacities(stores),
    )


def capacities(stores: StoreSet) -> dict[str, Allowance]:
    """What each store has room for."""
    return {
        store.identifier: Allowance(size=store.driver.capacity)
        for store in stores
        if isinstance(store.driver, HasCapacity)
    }


def build_taps(conf: cfg.ConfigOpts) -> list[TapFactory]:
    """The taps that are turned on, if their packages are installed."""
    own = own_values(conf)
    if not own["inspection"]:
        return []
    try:
        from imgstore.transfers.inspection import FormatInspection
    except ImportError as error:
        raise ConfigurationError(
            f"is on, but the module '{error.name}' is missing.",
            section=SECTION,
            option="inspection",
            cure=f"{distribution.install_extra('inspection')} Or set inspection = false.",
        ) from error
    return [FormatInspection(require_match=own["require_image_format_match"])]
