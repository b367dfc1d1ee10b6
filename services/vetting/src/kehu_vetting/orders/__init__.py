"""Prepaid orders (先款后货, R3.2.1): signed, paid, released batch by batch, shipped, returned."""
