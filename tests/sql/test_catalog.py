"""What the SQL catalog says of images: who sees them, what an upload makes of them, what stays of deleted ones."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from imgstore import errors
from imgstore.sql import Caller, Condition, Database, ImageQuery, NewImage, SqlCatalog
from imgstore.sql.schema import IMAGES
from tests.sql.attempts import to_remove
from tests.sql.conftest import OWNER, active_image, queued_image, request
from tests.support.client import new_id

STRANGER = Caller("other")


def test_file_of_the_catalog_is_private(tmp_path: Path) -> None:
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    active_image(catalog)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    catalog.close()


def test_what_was_created_is_found_by_other_processes(catalog: SqlCatalog, other: SqlCatalog) -> None:
    new = NewImage(new_id(), "project", name="n\u00e4me", tags=("b", "a"), properties={"k": "v"}, min_ram=3)
    created = catalog.create(new)
    assert other.get(new.id, OWNER) == created
    assert (created.name, created.tags, created.properties, created.min_ram) == ("n\u00e4me", ("b", "a"), {"k": "v"}, 3)


def test_only_the_owner_uploads_and_deletes(catalog: SqlCatalog) -> None:
    private, public = queued_image(catalog), queued_image(catalog, visibility="public")
    for act in (lambda i: catalog.begin(request(i, STRANGER), ["fast"]), lambda i: catalog.delete(i, STRANGER)):
        with pytest.raises(errors.ImageNotFound):
            act(private)
        with pytest.raises(errors.Forbidden):
            act(public)
    assert catalog.get(private, OWNER).status == catalog.get(public, STRANGER).status == "queued"


def test_identifier_is_never_used_twice(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog)
    with pytest.raises(errors.ImageConflict):
        catalog.create(NewImage(image_id, "project"))
    catalog.delete(image_id, OWNER)
    with pytest.raises(errors.ImageConflict):
        catalog.create(NewImage(image_id, "project"))


def test_deleted_image_keeps_nothing_that_its_owner_wrote(catalog: SqlCatalog, tables: str) -> None:
    image_id = queued_image(catalog, name="n", tags=("t",), properties={"p": "x" * 60000})
    catalog.delete(image_id, OWNER)
    row = sa.select(IMAGES.c.name, IMAGES.c.tags, IMAGES.c.properties).where(IMAGES.c.id == image_id)
    with contextlib.closing(Database(tables)) as database:
        assert database.read(lambda connection: tuple(connection.execute(row).one())) == (None, [], {})


def test_location_of_a_deleted_image_stays_until_it_is_removed(catalog: SqlCatalog, other: SqlCatalog) -> None:
    image_id = active_image(catalog)
    assert catalog.delete(image_id, OWNER).size == 5
    (removal,) = other.removals()
    assert (removal.store, removal.key) == ("fast", image_id)
    other.removed(removal)
    assert not catalog.removals()


def test_protected_image_is_not_deleted(catalog: SqlCatalog) -> None:
    image_id = queued_image(catalog, protected=True)
    with pytest.raises(errors.Forbidden):
        catalog.delete(image_id, OWNER)
    assert catalog.get(image_id, OWNER).protected


def test_usage_counts_live_images_of_the_owner(catalog: SqlCatalog) -> None:
    queued_image(catalog)
    active_image(catalog, size=7)
    catalog.delete(active_image(catalog, size=11), OWNER)
    assert (catalog.usage("project"), catalog.usage("other")) == (7, 0)


def test_abandoned_uploads_are_queued_and_what_they_committed_is_to_be_removed(catalog: SqlCatalog) -> None:
    saving, deleted, active = queued_image(catalog), queued_image(catalog), active_image(catalog)
    for image_id in (saving, deleted):
        catalog.begin(request(image_id), ["slow"])
    catalog.delete(deleted, OWNER)
    assert catalog.abandon_uploads() == 2
    assert to_remove(catalog) == sorted([("slow", saving), ("slow", deleted)])
    assert catalog.get(saving, OWNER).status == "queued"
    assert catalog.get(active, OWNER).status == "active"
    with pytest.raises(errors.ImageNotFound):
        catalog.get(deleted, OWNER)
    assert catalog.abandon_uploads() == 0


def test_list_is_of_the_project_and_public_newest_first(catalog: SqlCatalog) -> None:
    first, second = queued_image(catalog), queued_image(catalog)
    public = catalog.create(NewImage(new_id(), "other", visibility="public")).id
    catalog.create(NewImage(new_id(), "other", visibility="shared"))
    catalog.delete(queued_image(catalog), OWNER)
    assert [image.id for image in catalog.list(OWNER, ImageQuery(limit=10))] == [public, second, first]
    theirs = ImageQuery(limit=10, conditions=[Condition("owner", "eq", "other")])
    assert [image.id for image in catalog.list(OWNER, theirs)] == [public]


def test_pages_of_a_list_follow_each_other_without_gap(catalog: SqlCatalog) -> None:
    everything = [queued_image(catalog) for _ in range(7)][::-1]
    pages: list[str] = []
    for expected in (3, 3, 1, 0):
        page = catalog.list(OWNER, ImageQuery(limit=3, marker=pages[-1] if pages else None))
        assert len(page) == expected
        pages += [image.id for image in page]
    assert pages == everything
    with pytest.raises(errors.InvalidRequest):
        catalog.list(OWNER, ImageQuery(limit=3, marker=new_id()))


def test_context_that_is_no_caller_is_refused(catalog: SqlCatalog) -> None:
    with pytest.raises(errors.UsageError):
        catalog.find(queued_image(catalog), "project")
