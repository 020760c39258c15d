"""A page that shows what the services say, and that can stop and resume them."""
