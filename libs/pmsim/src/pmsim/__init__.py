"""The simulated world, by seed: a venue, its crowd, the queue, faults, a bus and runs of all of them."""
