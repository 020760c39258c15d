"""`pm status`, `pm kill`, `pm resume`."""
