"""Qualification (F1): a customer is vetted in a strict order of signatures before it may order anything (R3.1)."""
