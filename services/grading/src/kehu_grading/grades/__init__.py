"""The grade of each customer: official and indicative, drift between them, and the watch list (R5.3.5)."""
