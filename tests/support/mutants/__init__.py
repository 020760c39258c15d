"""Mutation testing: break the code on purpose, and see whether a test goes red (docs/mutants.md)."""
