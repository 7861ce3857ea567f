"""`imgstore stat`."""

from __future__ import annotations

import argparse

from imgstore.cli.base import ShowCommand, Table
from imgstore.cli.configuration import configured
from imgstore.cli.database import add_optional_data_dir, expect_places, service_catalog
from imgstore.cli.formatting import SizeCell, TimeCell

FIELDS = ("store", "key", "size", "modified", "etag", "url", "catalog")


class Stat(ShowCommand):
    """Show what is known of one object.

    With the service's database ([service] database, or --data-dir) 'catalog' says what the catalog knows of it.
    """

    EXAMPLES = """
        imgstore stat slow:7f0f4b5e
        imgstore stat 7f0f4b5e -f value -c size
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("object", metavar="[STORE:]KEY", help="the object to look at")
        add_optional_data_dir(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        self._refuse_unknown_columns(parsed_args, FIELDS)
        with configured(parsed_args, places=False) as found, service_catalog(parsed_args) as catalog:
            target, known = found.object(parsed_args.object), None
            store, key = target.store, target.key
            if catalog is not None:
                expect_places(catalog, [store])
                known = catalog.standings(store.identifier, [key])[key].value
            with store.blamed():
                info = store.driver.stat(key)
        url = store.location(key).url
        return FIELDS, [store.identifier, key, SizeCell(info.size), TimeCell(info.modified), info.etag, url, known]
