"""What was told to superiors, since nobody has answered it in time (People)."""
