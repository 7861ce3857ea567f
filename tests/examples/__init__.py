"""The hosts in `examples/`, run as they stand."""
