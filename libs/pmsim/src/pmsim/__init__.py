"""The simulated world, by seed: a venue, its crowd, the queue, faults, a bus, and whole runs."""
