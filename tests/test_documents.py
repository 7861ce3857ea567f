"""The documents are true: their links and paths lead somewhere, map and picture have the floors of the layer rule, the
hooks of a driver are described, the embedding guide's host works. `make docs` checks the rest of the pages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import hook_facts
import pytest

from imgstore.distribution import NAME
from imgstore.driver.place import MARK_NAME
from tests.support.databases import in_memory
from tests.test_layers import FLOORS

ROOT = Path(__file__).parent.parent
DOC = ROOT / "doc"
DOCUMENTS = [*ROOT.glob("*.md"), *DOC.rglob("*.md")]
GUIDE = ("embedding", "hosting", "hosting-servers", "prove-your-host")
IMAGE, OTHER = "7f0f4b5e-1d0c-4e0e-9e5e-2f3a4b5c6d7e", "c3b5d0c4-52a7-4e05-8f0b-6c1d2e3f4a5b"
USE = f"""
import os, signal, time

from host import get, image_data, put
from host_stores import configured, open_stores
from host_table import Table
from imgstore import config

general = {{"enabled_stores": "a:filesystem, b:filesystem", "default_store": "a", "project_quota": 10}}
conf = configured({{"imgstore": general, **{{store: {{"datadir": os.path.abspath(store)}} for store in "ab"}}}})
stores, table = open_stores(conf, create=True), Table("images.db")
table.create("{IMAGE}", "p")
data = image_data(conf, stores, table)
headers = {{"content-type": "application/octet-stream", "transfer-encoding": "chunked"}}
print(put(data, "{IMAGE}", headers, [b"x" * 11], "p").status, put(data, "{IMAGE}", headers, [b"x"], "q").status)
print(put(data, "{IMAGE}", headers, [b"hello"], "p").status, put(data, "{IMAGE}", headers, [b"hello"], "p").status)
answer = get(data, "{IMAGE}", {{"range": "bytes=1-2"}}, "p")
print(answer.status, b"".join(answer.body))
answer.close()

from host_metrics import KeeperHealth, transfers
from host_processes import Process
from prometheus_client import CollectorRegistry
from tests.support.waiting import until

from host_places import places
from imgstore.hosting import Keeper, KnownPlace, LeasedCatalog, TableCatalog

memory, mark = places(table), KnownPlace("m", written=False)
Keeper(LeasedCatalog(TableCatalog(table)), stores, places=memory).adopt_place("b")
print(memory.known_place("b").written, memory.remember_place("c", mark, instead_of=None) == mark)
print(memory.remember_place("c", KnownPlace("n", written=True), instead_of=None) == mark, memory.some_keys("a"))

import contextlib, sqlite3
from imgstore.model import Attempt
from imgstore.testing import end_lease

registry = CollectorRegistry()
if (child := os.fork()) == 0:
    dying = Process(conf, stores, "shared.db")
    Table("shared.db").create("{OTHER}", "p")
    dying.data.begin_upload("{OTHER}", headers, context="p").write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
end_lease(Table("shared.db"), Attempt("{OTHER}", 1, "p", "raw", "bare"))
with contextlib.closing(sqlite3.connect("shared.db")) as shared, shared:
    assert shared.execute("UPDATE quota_entries SET expires_at = 1").rowcount == 1
process = Process(conf, stores, "shared.db", observers=[transfers(registry)])
registry.register(KeeperHealth(process.keeper))
until(lambda: process.images.find("{OTHER}", "p").status == "queued" and not process.quota.held())
print(put(process.data, "{OTHER}", headers, [b"whole"], "p").status, process.quota.account("p").used)
process.delete("{OTHER}", "p")
uploaded = registry.get_sample_value("imgstore_uploads_total", {{"store": "a", "status": "204"}})
failing = registry.get_sample_value("imgstore_thread_failing", {{"thread": "recovery"}})
print(sorted(os.listdir("a")), process.quota.account("p").used, uploaded, failing)
process.stop()

from host_copies import copy, copy_service
from imgstore import UploadRequest, UploadService
from imgstore.catalog import MemoryCatalog
from imgstore.quota import MemoryQuota

catalog, quota = MemoryCatalog(), MemoryQuota(lambda _: 10)
catalog.create("image", owner="p")
with UploadService(stores, catalog=catalog, quota=quota).begin(UploadRequest("image", ["a"])) as session:
    session.write(b"hello")
    session.finish()
copy(copy_service(stores, catalog, quota), "image", ["b"], "p").join()
print([location.store for location in catalog.find("image").locations], quota.account("p").used)

from host_observers import audited

catalog.create("watched", owner="p")
catalog.create("left", owner="p")
uploads, downloads = audited(stores, catalog, print)
with uploads.begin(UploadRequest("watched", ["a"])) as session:
    session.write(b"hello")
    session.finish()
uploads.begin(UploadRequest("left", ["a"])).abort()
with downloads.open(catalog.find("watched"), start=4) as download:
    b"".join(download)

from host_quota import shared_quota
from imgstore.errors import QuotaExceeded
from imgstore.sql import LedgerAccount

from imgstore.limits import Allowance, FixedLimits

ledger = shared_quota("sqlite:///quota.db", FixedLimits(Allowance(size=7)))
catalog.create("other", owner="q")
catalog.create("third", owner="q")
uploads = UploadService(stores, catalog=catalog, quota=ledger)
with uploads.begin(UploadRequest("other", ["a"])) as session:
    session.write(b"hello")
    session.finish()
try:
    uploads.begin(UploadRequest("third", ["a"], size=3))
except QuotaExceeded:
    print(ledger.accounts()[LedgerAccount("q", "")].used)
ledger.close()
"""


def test_links_lead_to_files_and_headings() -> None:
    for document in DOCUMENTS:
        for path, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", document.read_text()):
            target = document.parent / path if path else document
            assert target.exists(), f"{document.name}: {path}"
            assert not heading or heading in _headings(target), f"{document.name}: {path}#{heading}"


def test_paths_in_the_design_exist() -> None:
    for document in [DOC / "design.md", *(DOC / "decisions").iterdir()]:
        for path in re.findall(r"`((?:imgstore|tests|doc)/[^`*]*)`", document.read_text()):
            assert (ROOT / path).exists(), f"{document.name}: {path}"


def test_index_of_decisions_names_every_page() -> None:
    pages = {page.name for page in (DOC / "decisions").glob("0*.md")}
    assert pages == set(re.findall(r"\((0[^)]*)\)", (DOC / "decisions" / "index.md").read_text()))


def test_map_of_the_house_has_the_floors_of_the_layer_rule() -> None:
    rows = re.findall(r"^\| \d+ \| ([^|]*`[^|]*) \|", (DOC / "design.md").read_text(), re.MULTILINE)
    assert [set(re.findall(r"`([\w.]+)`", rooms)) for rooms in rows] == list(FLOORS)


def test_picture_of_the_house_has_its_floors() -> None:
    drawn = (DOC / "pictures" / "house.svg").read_text()
    floors = re.findall(r'y="\d+">(\d)</text>\n((?:<text class="head".*\n)+)', drawn)
    rooms = {int(floor): set(re.findall(r"[a-z][\w.]+", re.sub(r"<[^>]*>", " ", names))) for floor, names in floors}
    assert rooms == dict(enumerate(FLOORS))


def test_every_hook_of_a_driver_says_its_thread_its_errors_and_who_tries_again() -> None:
    for owner in (*hook_facts.BASES, *hook_facts.CAPABILITIES):
        assert list(hook_facts.hooks(owner)), owner  # raises for a docstring that leaves one of them out


def test_whoever_is_told_to_install_imgstore_is_told_its_distribution() -> None:
    """`imgstore` is another project on the index."""
    files = [*DOCUMENTS, *(ROOT / "etc").iterdir(), *(ROOT / "imgstore").rglob("*.py")]
    text = "\n".join(file.read_text() for file in files)
    requirement = r"pip install (?:-\S+ )*['\"]?(imgstore[\w-]*)|(imgstore(?:-[\w-]*)?)\[[a-z0-9,]+\]"
    requirements = re.findall(requirement, text)
    assert {"".join(either) for either in requirements} == {NAME}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files of the embedding guide."""
    directory = tmp_path_factory.mktemp("host")
    guide = "\n".join((DOC / f"{page}.md").read_text() for page in GUIDE)
    for name, text in re.findall(r"^```python\n# (\S+)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL):
        (directory / name).write_text(text)
    return directory


def _run(host: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=host, env=environment, capture_output=True, text=True, check=False
    )


def _headings(document: Path) -> set[str]:
    """The anchors of a document, as renderers make them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_host_of_the_embedding_guide_works_as_it_stands(host: Path) -> None:
    (host / "use.py").write_text(USE)
    run = _run(host, "-W", "error", "use.py")
    audit = "upload watched: 5 bytes, a\nupload left: given up\ndownload watched: 1 bytes, a\n"
    remembered = f"True True\nTrue ['{IMAGE}.2']\n"
    recovered = f"204 5\n['{MARK_NAME}', '{IMAGE}.2'] 0 1.0 0.0\n"
    assert run.stdout == f"413 404\n204 409\n206 b'el'\n{remembered}{recovered}['a', 'b'] 10\n{audit}5\n", run.stderr


def test_host_of_the_embedding_guide_satisfies_the_protocols(host: Path) -> None:
    files = sorted(file.name for file in host.glob("*host*.py"))
    run = _run(host, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache" / "guide"), *files)
    assert run.returncode == 0, run.stdout


def test_host_of_the_embedding_guide_is_proved_as_it_stands(host: Path) -> None:
    """The part over HTTP is proved in `tests/contract/hosts`, on hosts that serve."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as quick:
        options = ("-q", "-W", "error", "-p", "no:cacheprovider", "--basetemp", f"{quick}/base")
        run = _run(host, "-m", "pytest", *options, "test_host_parts.py")
    assert run.returncode == 0, run.stdout + run.stderr
