"""Mutation testing: break the code on purpose and see which test goes red (docs/mutants.md)."""
