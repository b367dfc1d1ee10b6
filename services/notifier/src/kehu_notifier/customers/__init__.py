"""Customers as the notifier knows them: whose they are, and who is to be written to."""
