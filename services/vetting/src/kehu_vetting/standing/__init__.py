"""How a customer stands: active since when, under which agreement, with which papers and payers, and what bars it."""
