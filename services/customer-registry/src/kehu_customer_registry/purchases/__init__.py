"""Quarterly purchase volume (采购量): shipped less returned, per customer, and what is done about it (R4.5.2)."""
