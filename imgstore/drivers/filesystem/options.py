"""The options of the filesystem driver, as an operator reads them, and the check of their values.

What this module refuses to do: input or output. Whether the datadir works is for the driver's `check` to find out.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from dataclasses import dataclass

from oslo_config import cfg

from imgstore import errors
from imgstore.driver.options import size_opt
from imgstore.drivers.filesystem.direct import AUTO, CHOICES, OFF, ON
from imgstore.model import MIB

FILE_MODE = "0640"
DIRECTORY_MODE = "0750"
CHUNK_SIZE = MIB
SMALLEST_CHUNK = 4096
LARGEST_CHUNK = 64 * MIB

_MODE = re.compile(r"0?o?[0-7]{3}", re.ASCII)

OPTIONS = (
    cfg.StrOpt(
        "datadir",
        required=True,
        help="Directory that holds the images, one file each, named by its key. An absolute path on a filesystem with "
        "hard links (ext4, XFS, Btrfs, ZFS, NFS). It is created at start if it is missing. A datadir that was filled "
        "by glance_store's filesystem driver can be used as it is.",
    ),
    cfg.StrOpt(
        "file_mode",
        default=FILE_MODE,
        help="Permissions of an image's file, in octal, whatever the umask is. The owner must be able to read it. Let "
        "the group read (0640) if other services, such as a hypervisor, read the files themselves.",
    ),
    cfg.StrOpt(
        "directory_mode",
        default=DIRECTORY_MODE,
        help="Permissions of the datadir, in octal, used when it is created and never changed afterwards. The owner "
        "must have all of them.",
    ),
    size_opt(
        "chunk_size",
        default=CHUNK_SIZE,
        min=SMALLEST_CHUNK,
        max=LARGEST_CHUNK,
        help="Most bytes that one read takes from a file. Each download holds one such chunk in memory.",
    ),
    cfg.BoolOpt(
        "fsync",
        default=True,
        help="Whether an image is on the disk, name and all, before it is reported as stored. Turn it off only where "
        "images may be lost in a power cut; an image is never visible in part because a process died, on or off.",
    ),
    cfg.StrOpt(
        "direct_io",
        default=AUTO,
        choices=[
            (AUTO, "Where fsync is on and the filesystem is on a disk of its own (ext4, XFS)."),
            (ON, "Wherever the filesystem takes it; where it does not, images go through the cache all the same."),
            (OFF, "Everything goes through the page cache."),
        ],
        help="Whether the long middle of a large image is written past the page cache (O_DIRECT). That is less work "
        "for the kernel, and what the cache holds for others stays there; but the first download then reads from the "
        "disk.",
    ),
    cfg.BoolOpt(
        "thin_provisioning",
        default=False,
        help="Whether long runs of zero bytes are left out of the file, as holes. Saves room and time for raw images; "
        "what is read is the same.",
    ),
    size_opt(
        "free_space_reserve",
        default=0,
        help="Bytes of the filesystem that images never take. An upload that would leave less free is refused as "
        "'storage full', at its beginning if its size is known, else when it gets there.",
    ),
    size_opt(
        "capacity",
        help="Most bytes of images in this store; no limit if unset. What the datadir holds is added up at the first "
        "use after start. Every process counts for itself: with several service processes give each its share, or use "
        "a quota of the filesystem.",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values, checked. Modes are numbers, sizes are in bytes."""

    datadir: str
    file_mode: int
    directory_mode: int
    chunk_size: int
    fsync: bool
    direct_io: str
    thin_provisioning: bool
    free_space_reserve: int
    capacity: int | None


def checked(
    *,
    datadir: str,
    file_mode: str,
    directory_mode: str,
    chunk_size: int,
    fsync: bool,
    direct_io: str,
    thin_provisioning: bool,
    free_space_reserve: int,
    capacity: int | None,
) -> Settings:
    """The settings for these option values. Raises ConfigurationError naming the option (section "")."""
    return Settings(
        datadir=_datadir(datadir),
        file_mode=_mode("file_mode", file_mode, needed=0o400, who="read the file"),
        directory_mode=_mode("directory_mode", directory_mode, needed=0o700, who="write and search it"),
        chunk_size=_bytes("chunk_size", chunk_size, SMALLEST_CHUNK, LARGEST_CHUNK),
        fsync=fsync,
        direct_io=_choice("direct_io", direct_io, CHOICES),
        thin_provisioning=thin_provisioning,
        free_space_reserve=_bytes("free_space_reserve", free_space_reserve, 0, None),
        capacity=None if capacity is None else _bytes("capacity", capacity, 0, None),
    )


def bad(option: str, problem: str, cure: str) -> errors.ConfigurationError:
    """The error for an option that cannot work; who knows the store's section fills it in."""
    return errors.ConfigurationError(problem, section="", option=option, cure=cure)


def _datadir(value: str) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value or ".." in value.split("/"):
        raise bad("datadir", f"{value!r} is not an absolute path.", "Name a directory from / on, without '..'.")
    path = "/" + os.path.normpath(value).lstrip("/")
    if path == "/":
        raise bad("datadir", "The root directory cannot hold images.", "Name a directory of its own.")
    return path


def _mode(option: str, value: str, *, needed: int, who: str) -> int:
    if not isinstance(value, str) or _MODE.fullmatch(value) is None:
        raise bad(option, f"{value!r} is not an octal mode.", "Write it as in 0640: three octal digits after a 0.")
    mode = int(value, 8)
    if mode & needed != needed:
        raise bad(option, f"{value!r} does not let the owner {who}.", f"Add 0{needed:o}.")
    return mode


def _choice(option: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise bad(option, f"{value!r} is none of {', '.join(choices)}.", f"Leave it at {choices[0]}.")
    return value


def _bytes(option: str, value: int, least: int, most: int | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        raise bad(option, f"{value!r} is not a possible number of bytes.", f"Use at least {least}{upper}.")
    return value
