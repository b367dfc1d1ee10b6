"""Kehu's notifier service; `app.py` is its table of contents."""
