"""Kehu's platform: event store, relay, consumers, views, schedules, identity; every service stands on it."""
