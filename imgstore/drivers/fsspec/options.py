"""The options of a store on one of fsspec's filesystems, as an operator reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from oslo_config import cfg

from imgstore.driver import Options, bad, option

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://[!-~]+")


@dataclass(frozen=True, kw_only=True)
class FsspecOptions(Options):
    """The options. Times in seconds. Raises ConfigurationError naming the option (section "")."""

    url: str = option(
        cfg.StrOpt,
        required=True,
        help="Where the images are, as fsspec has it: 'sftp://host/srv/images', 'gs://bucket/images', "
        "'webdav://images'. No password may be in it, since it is in the location of every image.",
    )
    storage_options: str | None = option(
        cfg.StrOpt,
        secret=True,
        help="What fsspec's filesystem needs besides, as JSON: "
        '\'{"username": "imgstore", "key_filename": "/etc/imgstore/id_ed25519"}\'. A list of JSON arrives as a tuple.',
    )
    patience: float = option(
        cfg.FloatOpt,
        default=60.0,
        min=0.1,
        max=86400,
        help="Seconds in which the filesystem has to take or give the next piece of an image, or to answer; to end an "
        "image it has as long for each 64 MiB. Then the operation fails as 'not available'.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if _URL.fullmatch(self.url) is None or "::" in self.url or set("?#%") & set(self.url):
            raise bad(
                "url", "it is not one that fsspec has, in plain ASCII, without '?', '#', '%' and '::'.",
                "Write it as in sftp://host/srv/images.",
            )  # fmt: skip
        if ":" in urlsplit(self.url).netloc.rpartition("@")[0]:
            raise bad("url", "a password must not be in it.", "Put it into storage_options.")
        self.arguments()

    @property
    def protocol(self) -> str:
        """As in fsspec: sftp, gs, webdav."""
        return self.url.partition("://")[0]

    def arguments(self) -> dict[str, Any]:
        """What `storage_options` says. Raises ConfigurationError, which quotes nothing of it."""
        try:
            found = json.loads(self.storage_options or "{}")
        except ValueError:
            found = None
        if not isinstance(found, Mapping):
            raise bad("storage_options", "it is not an object of JSON.", 'Write it as in {"username": "imgstore"}.')
        return {name: _frozen(value) for name, value in found.items()}


def _frozen(value: Any) -> Any:
    """Pairs of user and password are tuples to most libraries, which JSON does not have."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
