"""Templates: what messages say, as policy data."""
