"""The whole system in one process and in virtual time, by seed: `pm simulate`."""
