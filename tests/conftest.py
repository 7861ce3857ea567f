"""Fixtures and hooks of the whole suite."""

pytest_plugins = ["tests.hooks", "tests.support.fixtures", "tests.support.database_fixtures"]
