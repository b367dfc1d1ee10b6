"""A department's report of a month: volumes, new, changed and lost customers, credit and market remarks (R5.3.5)."""
