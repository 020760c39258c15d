"""`pm run`."""
