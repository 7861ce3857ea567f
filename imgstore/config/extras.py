"""Which extra of a distribution to install when a driver's import fails. The metadata says it, or nobody does."""

from __future__ import annotations

import re
from importlib import metadata

_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def missing_extra(point: metadata.EntryPoint, error: ImportError) -> str | None:
    """The requirement that cures `error`, such as `imgstore-backends[s3]`; None if no extra does.

    The entry point's own extras come first (`s3 = package.module:Class [s3]`), then the extra of its distribution that
    requires the missing module, of several the one that has the driver's name, then the one that has that name.
    """
    if error.name is None or _inside(point.module, error.name):
        return None
    distribution = _distribution(point)
    if distribution is None:
        return None
    requiring, namesake = _requiring(distribution, error.name), _namesake(distribution, point.name)
    declared = list(point.extras) or [extra for extra in requiring if extra in namesake] or requiring[:1] or namesake
    return f"{distribution.metadata['Name']}[{','.join(declared)}]" if declared else None


def _inside(module: str, missing: str) -> bool:
    """Whether what is missing belongs to the driver's own package: then no extra brings it."""
    return module.split(".")[0] == missing.split(".")[0]


def _distribution(point: metadata.EntryPoint) -> metadata.Distribution | None:
    for distribution in metadata.distributions():
        if any(_key(other) == _key(point) for other in distribution.entry_points):
            return distribution
    return None


def _key(point: metadata.EntryPoint) -> tuple[str, str, str]:
    return point.group, point.name, point.value


def _requiring(distribution: metadata.Distribution, module: str) -> list[str]:
    wanted = _normal(module.split(".")[0])
    found = []
    for requirement in distribution.requires or []:
        name, extra = _NAME.match(requirement), _EXTRA.search(requirement)
        if name is not None and extra is not None and _normal(name[0]) == wanted:
            found.append(extra[1])
    return found


def _namesake(distribution: metadata.Distribution, driver: str) -> list[str]:
    return [
        extra for extra in distribution.metadata.get_all("Provides-Extra") or [] if _normal(extra) == _normal(driver)
    ]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
