"""Adapters between `imgstore.http` and the interfaces that servers speak: thin, without any decision of their own."""
