"""Order commands to signed requests at the venue, and its answers to events."""
