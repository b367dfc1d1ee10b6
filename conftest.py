"""Fixtures of every test in the repository."""

from hypothesis import settings

pytest_plugins = ["kehu.testing.platform"]

# What an example takes depends on what else the machine does at that moment: a limit would fail tests at random.
settings.register_profile("kehu", deadline=None)
settings.load_profile("kehu")
