"""Settlement units: who pays, as qualified records of their own (R3.1.1)."""
