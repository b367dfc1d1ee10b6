"""Messages: one to one recipient for one reason, from its request to what became of it."""
