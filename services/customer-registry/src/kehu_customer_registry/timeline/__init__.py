"""A customer's dealings (业务交往) as one timeline, over all services (R4.4.b)."""
