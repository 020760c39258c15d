"""`pm record` and `pm recordings check`."""
