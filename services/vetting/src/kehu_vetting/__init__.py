"""Kehu's vetting service; `app.py` is its table of contents."""
