"""The table of images, and what imgstore does with it: a row is read, the unfinished ones are, and one is changed."""

from collections.abc import Iterable

from django.db import close_old_connections, connection, models, transaction

from imgstore.hosting import ImageRow, Values


class Image(models.Model):  # type: ignore[misc]  # Django comes without types
    id = models.CharField(primary_key=True, max_length=36)
    owner = models.CharField(max_length=99)
    disk_format = models.CharField(max_length=20, default="raw")
    container_format = models.CharField(max_length=20, default="bare")
    status = models.CharField(max_length=9, default="queued")
    size = models.BigIntegerField(null=True)
    version = models.IntegerField(default=0)
    unfinished = models.BooleanField(default=False, db_index=True)
    record = models.TextField(default="")


class Table:
    """The threads of uploads and of the keeper outlive connections, so each call begins with one that works. `durable`
    refuses to be part of another transaction, as one of ATOMIC_REQUESTS: what is not committed is not done."""

    def get(self, image_id: str) -> ImageRow | None:
        return next(iter(self._images().filter(pk=image_id)), None)

    def unfinished(self) -> Iterable[ImageRow]:
        return list(self._images().filter(unfinished=True))

    def swap(self, row: ImageRow, values: Values) -> bool:
        images = self._images()
        with transaction.atomic(durable=True):
            return int(images.filter(pk=row.id, version=row.version).update(**values)) == 1

    def _images(self) -> models.Manager:
        connection.in_atomic_block or close_old_connections()  # it would close the transaction, too
        return Image.objects
