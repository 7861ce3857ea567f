"""`imgstore adopt`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgstore import errors
from imgstore.cli.base import ListCommand, Table
from imgstore.cli.configuration import Configured, ObjectName, configured
from imgstore.cli.database import add_optional_data_dir, expect_places, needed, service_catalog
from imgstore.cli.failures import BadUsage, Failure
from imgstore.cli.transfer import algorithms, digest_object
from imgstore.http.requests import is_image_id
from imgstore.model import UploadResult

if TYPE_CHECKING:
    from imgstore.sql import SqlCatalog

COLUMNS = ("image", "store", "key", "size", "digest")


class Adopt(ListCommand):
    """Take objects that no image knows as the data of their images.

    After a restore of the database, stores may have objects of uploads that ended after the backup: 'imgstore verify'
    shows them. Each object is read whole for its digests. Its image, told by the key, becomes active; if there is no
    such image, one is made for --owner. An image that has data already keeps it, and one with an upload under way is
    refused.
    """

    EXAMPLES = """
        imgstore adopt slow:7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e --owner 3c5f --disk-format qcow2
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("objects", metavar="[STORE:]KEY", nargs="+", help="the objects to adopt")
        parser.add_argument("--owner", metavar="PROJECT", help="the project that gets images which must be made")
        parser.add_argument("--disk-format", metavar="FORMAT", default="raw", help="of such an image (default: raw)")
        parser.add_argument(
            "--container-format", metavar="FORMAT", default="bare", help="of such an image (default: bare)"
        )
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, COLUMNS)
        with configured(parsed_args, places=False) as found, service_catalog(parsed_args) as catalog:
            catalog = needed(catalog, "to adopt objects")
            expect_places(catalog, found.stores)
            from imgstore.service.api.attributes import CONTAINER_FORMATS, DISK_FORMATS
            from imgstore.sql import NewImage, attempt_of

            _refuse_unknown(parsed_args.disk_format, DISK_FORMATS)
            _refuse_unknown(parsed_args.container_format, CONTAINER_FORMATS)
            rows = []
            for target in [found.object(text) for text in parsed_args.objects]:
                image_id, _ = attempt_of(target.key)
                _refuse_unreachable(catalog, image_id)
                image = NewImage(
                    image_id, parsed_args.owner or "", disk_format=parsed_args.disk_format,
                    container_format=parsed_args.container_format,
                )  # fmt: skip
                result = _read(found, target, image_id, quiet=parsed_args.quiet)
                catalog.adopt(image, target.key, result)
                rows.append((image_id, target.store.identifier, target.key, result.size, result.hash_value))
        return COLUMNS, rows


def _refuse_unknown(name: str, formats: Sequence[str]) -> None:
    if name not in formats:
        raise BadUsage(f"no image can have the format '{name}'. There are: {', '.join(formats)}.")


def _refuse_unreachable(catalog: SqlCatalog, image_id: str) -> None:
    """No request could name such an image, and nobody could delete it. Raises Failure."""
    from imgstore.sql import EVERYTHING

    if is_image_id(image_id) and image_id == image_id.lower():
        return
    try:
        catalog.get(image_id, EVERYTHING)
    except errors.ImageNotFound as error:
        raise Failure(
            f"'{image_id}' is no image, and no image can be made of it: the key of an object begins with its image's "
            "identifier, a UUID in lower case. Upload its data to an image instead."
        ) from error


def _read(found: Configured, target: ObjectName, image_id: str, *, quiet: bool) -> UploadResult:
    names = algorithms(found.settings)
    read = digest_object(found, target, names=names, label="reading", quiet=quiet)
    return UploadResult(
        image_id, [read.location], read.size, names[0], read.digests[names[0]], checksum=read.digests.get("md5")
    )
