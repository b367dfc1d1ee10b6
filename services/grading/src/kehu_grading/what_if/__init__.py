"""A draft policy tried on all customers without writing anything (R5.3.5)."""
