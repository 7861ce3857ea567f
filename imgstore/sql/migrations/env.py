"""Alembic runs this: it brings the tables of one part to a revision, in the transaction that `upgrade` began."""

from __future__ import annotations

from alembic import context

ATTRIBUTES = context.config.attributes

context.configure(
    connection=ATTRIBUTES["connection"],
    target_metadata=ATTRIBUTES["metadata"],
    version_table=ATTRIBUTES["version_table"],
    transactional_ddl=False,  # the transaction is not alembic's
)
context.run_migrations()
