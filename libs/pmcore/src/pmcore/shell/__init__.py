"""The only place with a clock, a socket, a file, the environment and a log."""
