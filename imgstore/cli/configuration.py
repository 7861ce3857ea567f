"""Which configuration, which stores, which object: from the user's words to the library's values.

The service's sections are ignored, but for its database: its catalog knows the places of the stores.

STORE:KEY names an object; KEY alone, one in the default store. A new object may also be named STORE: alone.
"""

from __future__ import annotations

import contextlib
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imgstore import config, errors
from imgstore.cli.config_files import VARIABLE, configuration_files, usual_files
from imgstore.cli.database import SERVICE_SECTIONS, look_up_places
from imgstore.cli.failures import BadUsage
from imgstore.config.registry import suggestion
from imgstore.driver.base import check_key
from imgstore.store import Store, StoreSet
from imgstore.transfers.upload import UploadSettings

CLOSE_SECONDS = 10.0
"""For the drivers to close; one that hangs keeps no command from ending."""


@dataclass(frozen=True)
class ObjectName:
    """A store and a key in it, whether or not an object is there."""

    store: Store
    key: str

    def __str__(self) -> str:
        return f"{self.store.identifier}:{self.key}"


@dataclass(frozen=True)
class Configured:
    """The stores and what is configured for them. `drivers`: the driver's name by store identifier. `files`: those that
    say so."""

    stores: StoreSet
    drivers: Mapping[str, str]
    settings: UploadSettings
    files: Sequence[str]

    def store(self, identifier: str | None) -> Store:
        """The store of that identifier, the default one for None. Raises BadUsage."""
        try:
            return self.stores.resolve(identifier)
        except errors.UnknownStore as error:
            known = [store.identifier for store in self.stores]
            question = suggestion(identifier or "", known)
            raise BadUsage(f"no store is {shown(identifier)}. {question} There are: {', '.join(known)}.") from error

    def chosen(self, identifiers: Sequence[str]) -> list[Store]:
        """The stores of these identifiers, each once; all stores for none."""
        names = dict.fromkeys(name.removesuffix(":") for name in identifiers)
        return [self.store(name) for name in names] or list(self.stores)

    def object(self, text: str) -> ObjectName:
        """The object that `text` names. Raises BadUsage."""
        before, colon, after = text.partition(":")
        return ObjectName(self.store(before if colon else None), _checked(after if colon else before))

    def new_object(self, text: str, *, name: Callable[[], str]) -> ObjectName:
        """The new object that `text` names; `name` gives the key if `text` has none. Raises BadUsage."""
        if any(text == store.identifier for store in self.stores):
            raise BadUsage(f"'{text}' is a store: write '{text}:' for the store, or STORE:{text} for a key.")
        if text and not text.endswith(":"):
            return self.object(text)
        return ObjectName(self.store(text[:-1] or None), _checked(name()))


@contextlib.contextmanager
def configured(options: Namespace, *, places: bool = True) -> Iterator[Configured]:
    """The stores of the configuration that `options` name, closed at the end. `places`: they are told their places, if
    there is a catalog; a command that opens it tells them itself. Raises BadUsage, ConfigurationError."""
    files = configuration_files(options.config_file)
    if not files:
        raise BadUsage(
            f"no configuration was found: none of {', '.join(map(str, usual_files()))} exists. "
            f"Name one with --config-file or {VARIABLE}, or begin with: imgstore sample-config"
        )
    conf = config.load(files, extra=dict.fromkeys(SERVICE_SECTIONS, ()))
    stores = config.build_stores(conf)
    with contextlib.ExitStack() as ending:
        ending.callback(stores.close_within, CLOSE_SECONDS)
        if places:
            look_up_places(conf, options, stores)
        yield Configured(stores, config.driver_names(conf), config.upload_settings(conf), files)


def shown(text: str | None) -> str:
    """The user's words, shortened, in quotes, without control characters."""
    short = text or ""
    return repr(short if len(short) <= 64 else f"{short[:64]}...")


def _checked(key: str) -> str:
    try:
        return check_key(key)
    except errors.InvalidKey as error:
        raise BadUsage(f"{shown(key)} cannot be a key. {error}") from error
