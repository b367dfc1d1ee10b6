"""The customer dossier (F4) from its first draft on, and the register of customers (F5)."""
