"""Credit incidents: bad credit recorded by finance, with evidence (R5.2)."""
