"""The options of the filesystem driver, as an operator reads them, and the check of their values."""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass

from oslo_config import cfg

from imgstore.driver.options import Options, bad, option, size_option
from imgstore.model import MIB

CHOICES = AUTO, ON, OFF = "auto", "on", "off"

_MODE = re.compile(r"0?o?[0-7]{3}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """The options. Sizes are in bytes. Raises ConfigurationError naming the option (section "")."""

    datadir: str = option(
        cfg.StrOpt,
        required=True,
        help="Directory that holds the images, one file each, named by its key. An absolute path on a filesystem with "
        "hard links (ext4, XFS, Btrfs, ZFS, NFS). It is created when the store is used for the first time, and never "
        "again: see 'Places' in doc/operation.md. A datadir that was filled by glance_store's filesystem driver can be "
        "used as it is.",
    )
    file_mode: str = option(
        cfg.StrOpt,
        default="0640",
        help="Permissions of an image's file, in octal, whatever the umask is. The owner must be able to read it. Let "
        "the group read (0640) if other services, such as a hypervisor, read the files themselves.",
    )
    directory_mode: str = option(
        cfg.StrOpt,
        default="0750",
        help="Permissions of the datadir, in octal, used when it is created and never changed afterwards. The owner "
        "must have all of them.",
    )
    chunk_size: int = size_option(
        default=MIB,
        min=4096,
        max=64 * MIB,
        help="Most bytes that one read takes from a file. Each download holds one such chunk in memory.",
    )
    fsync: bool = option(
        cfg.BoolOpt,
        default=True,
        help="Whether an image is on the disk, name and all, before it is reported as stored. Turn it off only where "
        "images may be lost or damaged in a power cut; an image is never visible in part because a process died, on or "
        "off.",
    )
    direct_io: str = option(
        cfg.StrOpt,
        default=AUTO,
        choices=[
            (
                AUTO,
                "Where fsync is on and the filesystem is on a disk of its own (ext4, XFS): images that do not fit in a "
                "quarter of the available memory, which all uploads share.",
            ),
            (ON, "Wherever the filesystem takes it; where it does not, images go through the cache all the same."),
            (OFF, "Everything goes through the page cache."),
        ],
        help="Whether the long middle of a large image is written past the page cache (O_DIRECT). That is less work "
        "for the kernel, and what the cache holds for others stays there; but the first download then reads from the "
        "disk, and not from memory.",
    )
    thin_provisioning: bool = option(
        cfg.BoolOpt,
        default=False,
        help="Whether long runs of zero bytes are left out of the file, as holes. Saves room and time for raw images; "
        "what is read is the same.",
    )
    free_space_reserve: int = size_option(
        default=0,
        help="Bytes of the filesystem that images never take. An upload that would leave less free is refused as "
        "'storage full', at its beginning if its size is known, else when it gets there.",
    )
    capacity: int | None = size_option(
        help="Most bytes of images in this store; no limit if unset. What the datadir holds is added up at the first "
        "use after start. Every process counts for itself: with several service processes give each its share, or use "
        "a quota of the filesystem.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "datadir", _datadir(self.datadir))
        _ = self.file_permissions, self.directory_permissions

    @property
    def file_permissions(self) -> int:
        """`file_mode` as a number."""
        return _mode("file_mode", self.file_mode, needed=0o400, who="read the file")

    @property
    def directory_permissions(self) -> int:
        """`directory_mode` as a number."""
        return _mode("directory_mode", self.directory_mode, needed=0o700, who="write and search it")


def _datadir(value: str) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value or ".." in value.split("/"):
        raise bad("datadir", f"{value!r} is not an absolute path.", "Name a directory from / on, without '..'.")
    if value.endswith((",", ";")) or any(name != name.strip() for name in value.split("/")):
        cure = "Remove what is not the directory; a remark has a line of its own."
        raise bad("datadir", f"{value!r} ends in ',' or ';', or a name in it begins or ends with a blank.", cure)
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
