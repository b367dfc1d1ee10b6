"""What this service has to know of a customer; the dossier itself belongs to customer-registry."""
