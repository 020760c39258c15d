"""`pm replay`."""
