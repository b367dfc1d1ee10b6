"""Kehu's engagement service; `app.py` is its table of contents."""
