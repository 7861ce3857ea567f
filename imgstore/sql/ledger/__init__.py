"""The quota ledger in SQL (see `schema` for what it is made of)."""
