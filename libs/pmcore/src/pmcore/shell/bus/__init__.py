"""The bus on Redis."""
