"""The table of images on SQLAlchemy, and what imgstore does with it."""

import os
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from imgstore.hosting import ImageRow, Values

VAR = Path(os.environ.get("IMAGES_DIR", "var")).resolve()
DATABASE = f"sqlite:///{VAR}/images.db"
engine = create_engine(DATABASE, connect_args={"timeout": 30})
Session = sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Image(Base):
    __tablename__ = "images"
    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    disk_format: Mapped[str] = mapped_column(default="raw")
    container_format: Mapped[str] = mapped_column(default="bare")
    status: Mapped[str] = mapped_column(default="queued")
    size: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=0)
    unfinished: Mapped[bool] = mapped_column(default=False, index=True)
    record: Mapped[str] = mapped_column(default="")


class Table:
    """Each method has a session of its own, which has committed when the method returns."""

    def get(self, image_id: str) -> ImageRow | None:
        with Session() as session:
            return session.get(Image, image_id)

    def unfinished(self) -> Iterable[ImageRow]:
        with Session() as session:
            return session.scalars(select(Image).where(Image.unfinished)).all()

    def swap(self, row: ImageRow, values: Values) -> bool:
        same = update(Image).where(Image.id == row.id, Image.version == row.version)
        with Session.begin() as session:
            return session.connection().execute(same.values(**values)).rowcount == 1
