"""Kehu's customer-registry service; `app.py` is its table of contents."""
