"""Bytes to messages and back; stream names; the promise of a bus."""
