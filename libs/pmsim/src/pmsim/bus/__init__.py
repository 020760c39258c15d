"""The bus in memory, the twin of Redis Streams."""
