"""The revisions of the tables, for alembic: one folder for each part that a host may take by itself (see `upgrade`).

A revision is written by hand and never changed after its release. A test compares what all of them make with the tables
that the code knows, on every kind of database.
"""
