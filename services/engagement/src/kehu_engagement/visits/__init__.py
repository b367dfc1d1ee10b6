"""Visits to customers: the register (F6) before, the record (F7) after, and what deviated (R6.2.1)."""
