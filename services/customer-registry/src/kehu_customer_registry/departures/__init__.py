"""A salesperson leaves (R4.6): nothing goes with them, every customer gets a successor and knows it, access ends."""
