"""Who works here: departments, people, their roles with history."""
