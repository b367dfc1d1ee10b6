"""Kehu's grading service; `app.py` is its table of contents."""
