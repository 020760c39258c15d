"""Whole simulated runs: synthetic and recorded windows, the scheduler, the checkers."""
