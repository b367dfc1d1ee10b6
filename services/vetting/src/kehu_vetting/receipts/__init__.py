"""Receipts: money of a payer in our account, put to orders by finance (R3.2.1)."""
