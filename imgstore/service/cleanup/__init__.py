"""Compares the catalog with the stores, heals wrong copies, and moves data out of a store."""
