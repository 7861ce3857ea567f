"""What doc/operations tells an operator to do works as it stands there.

A page's blocks are followed in their order, in a directory (`/srv`) with the stores `fast` and `slow`, an image in
`slow` and the service's catalog. An `ini` block changes the configuration, a line `$ imgstore ...` runs the command,
and `$ curl ...` asks the service, assembled anew of what the configuration says then. `sh` blocks are run where their
servers are: tests/service/test_restore.py, tests/operation/test_tls.py.
"""

from __future__ import annotations

import configparser
import contextlib
import re
import shlex
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgstore.service.assembly import Service, service_of
from imgstore.service.options import load
from imgstore.service.settings import database
from imgstore.sql import PARTS, SqlCatalog, opened
from tests.cli.support import ROOT, Shop
from tests.cli.test_evacuate import stored, where
from tests.cli.test_purge_service import catalog
from tests.http.environ import ScriptedInput, close, environ, start

__all__ = ["catalog"]

OPERATIONS = ROOT / "doc" / "operations"
STEP = re.compile(r"^```(ini|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [page for page in sorted(OPERATIONS.glob("*.md")) if STEP.search(page.read_text())]
ENDS_IN = {"drain-a-store": ["fast"], "remove-a-store": ["fast"], "rename-a-store": ["archive"]}
"""Where the image of `slow` is after a page that moves it."""


class Operator:
    """Follows a page."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._file = shop.root / "imgstore.conf"
        self._file.chmod(0o640)  # the database's URL is a secret
        self._change(f"[service]\ndatabase = {shop.root}/data/imgstore.sqlite")

    def follow(self, page: Path) -> None:
        told = page.read_text().replace("/srv/", f"{self._shop.root}/").replace("/etc/glance/", f"{self._shop.root}/")
        for kind, text in STEP.findall(told):
            if kind == "ini":
                self._change(text)
            for command in re.findall(r"(?m)^\$ (.*)$", text) if kind == "console" else ():
                self._do(*shlex.split(command))

    def _change(self, text: str) -> None:
        """Options that are set anew, and sections only of stores that are enabled."""
        parser = configparser.RawConfigParser()
        parser.read_string(self._file.read_text())
        parser.read_string(text)
        named = re.findall(r"([\w.-]+):", parser["imgstore"]["enabled_stores"])
        for section in {*parser.sections()} - {"imgstore", "service", *named}:
            parser.remove_section(section)
        with self._file.open("w") as file:
            parser.write(file)

    def _do(self, program: str, *arguments: str) -> None:
        if program == "curl":
            self._ask(arguments[-1])
        elif program == "cp":
            shutil.copytree(arguments[-2], arguments[-1])
        else:
            assert program == "imgstore", f"no test can run {program}"
            done = self._shop.run(*arguments)
            assert (done.status, done.err) == (0, ""), arguments

    def _ask(self, url: str) -> None:
        target = urllib.parse.urlsplit(url)
        with self.restarted() as service:
            begun = start(service.app, environ("GET", target.path, ScriptedInput(), query=target.query))
            body = b"".join(begun.body)
            close(begun.body)
        assert [status for status, _ in begun.heads] == [200], body

    @contextlib.contextmanager
    def restarted(self) -> Iterator[Service]:
        """The service of the configuration as it is now."""
        conf = load([str(self._file)])
        with contextlib.closing(service_of(conf, opened(database(conf, self._shop.root), PARTS))) as service:
            service.start()
            yield service


@pytest.mark.server  # it starts none, but takes ten seconds
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_who_follows_the_page_gets_there(shop: Shop, catalog: SqlCatalog, page: Path) -> None:
    kept = stored(shop, catalog, "slow")
    shop.file("disk.raw", b"of another service")
    old = f"[DEFAULT]\nenabled_backends = fast:file\n[fast]\nfilesystem_store_datadir = {shop.datadir('fast')}\n"
    shop.file("glance-api.conf", old.encode())
    operator = Operator(shop)
    operator.follow(page)
    assert where(catalog, kept) == ENDS_IN.get(page.stem, ["slow"])
    with operator.restarted() as service:
        assert all(store.up for store in service.health.statuses())
    assert "agree" in shop.run("verify").out.decode()


def test_index_leads_to_every_page() -> None:
    index = (OPERATIONS / "index.md").read_text()
    linked = set(re.findall(r"\(([\w-]+\.md)\)", index))
    assert linked == {page.name for page in OPERATIONS.glob("*.md")} - {"index.md"}
    assert "(doc/operations/index.md)" in (ROOT / "README.md").read_text()
