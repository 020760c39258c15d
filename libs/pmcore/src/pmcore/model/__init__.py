"""Values and the rules about values; no behaviour over time."""
