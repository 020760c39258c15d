"""Fixtures that every test may use."""

pytest_plugins = ["support.machine", "support.redis"]
