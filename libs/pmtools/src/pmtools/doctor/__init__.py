"""`pm doctor`."""
