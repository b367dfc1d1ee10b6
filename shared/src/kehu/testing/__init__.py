"""What tests of Kehu, and of services that plug into it, stand on. Nothing here is imported by the product."""
