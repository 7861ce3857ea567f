"""The revisions of the tables, for alembic: one folder for each part that a host may take by itself (see `upgrading`).

A revision is written by hand, is never changed once it is released, and a test compares what all of them make with the
tables that the code knows, on every kind of database.
"""
