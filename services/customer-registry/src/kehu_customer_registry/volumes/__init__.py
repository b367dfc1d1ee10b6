"""What each customer contracts a month (R5.3.5): reports, corrections, and where they come from."""
