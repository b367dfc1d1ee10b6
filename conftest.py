"""Fixtures of every test in the repository."""

pytest_plugins = ["kehu.testing.platform"]
