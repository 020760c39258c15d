"""Pure state machines, one noun per file."""
