"""The simulated world, by seed: bus, venue, queue model, scheduler, faults, checkers."""
