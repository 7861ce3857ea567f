"""Removes what dead processes left behind, and compares the catalog with the stores."""
