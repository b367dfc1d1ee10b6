"""Quarterly verification of every archived dossier by somebody other than its salespeople (R4.5.1)."""
