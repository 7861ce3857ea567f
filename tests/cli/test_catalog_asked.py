"""`rm`, `stat` and `usage` where there is a catalog, where there is none, and where it cannot be asked."""

from __future__ import annotations

from imgstore.sql import EVERYTHING, SqlCatalog
from tests.cli.support import Shop
from tests.cli.test_purge_service import catalog, put
from tests.cli.test_verify_service import active
from tests.support.attempts import begun

__all__ = ["catalog"]

WITHOUT_SERVICE = "import sys; sys.modules['sqlalchemy'] = None; from imgstore.cli.main import main; sys.exit(main({}))"


def test_rm_refuses_what_an_image_or_an_upload_needs_before_anything_goes(shop: Shop, catalog: SqlCatalog) -> None:
    kept, living, deleted = active(catalog), begun(catalog), active(catalog)
    catalog.delete(deleted.image_id, EVERYTHING)
    for key in (kept.key, living.key, deleted.key, "stranger"):
        put(shop, key)
    for needed in (kept, living):
        for more in ([], ["--dry-run"]):
            done = shop.run("rm", "stranger", needed.key, "--data-dir", "data", *more)
            assert (done.status, done.out) == (1, b"")
            assert f"image {needed.image_id}. Nothing was removed." in done.err
    assert shop.run("rm", "stranger", deleted.key, "--data-dir", "data").status == 0
    assert shop.names() == sorted([kept.key, living.key])


def test_stat_says_what_the_catalog_knows(shop: Shop, catalog: SqlCatalog) -> None:
    attempt = active(catalog)
    put(shop, attempt.key)
    found = shop.run("stat", attempt.key, "--data-dir", "data", "-f", "json").json()
    assert (found["size"], found["catalog"]) == (4, "the data of an image")


def test_a_catalog_that_cannot_be_asked_is_not_passed_over(shop: Shop) -> None:
    put(shop, "key")
    with (shop.root / "imgstore.conf").open("a") as file:
        file.write("[service]\ndatabase = data/imgstore.sqlite\n")
    for command in (["rm", "key"], ["purge"]):
        done = shop.shell(f'python3 -c "{WITHOUT_SERVICE.format(command)}"')
        assert (done.status, "imgstore-backends[service]" in done.err) == (2, True), done.err
    assert shop.names() == ["key"]


def test_usage_and_the_revision_make_no_database_and_no_configuration(shop: Shop) -> None:
    (shop.root / "empty").mkdir()
    for command in ("usage", "db current"):
        done = shop.run(*command.split(), "--data-dir", "empty")
        assert (done.status, "there is no database at " in done.err) == (2, True)
    (shop.root / "imgstore.conf").unlink()
    assert "there is no configuration" in shop.run("usage", "--data-dir", "empty").err
    assert list((shop.root / "empty").iterdir()) == []
