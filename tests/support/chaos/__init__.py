"""Schedules of faults for an engine of real processes, and the judge of the venue's records."""
