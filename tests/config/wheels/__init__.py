"""Drivers as they were built against former interfaces: wheels that nobody builds anew (README.md)."""
