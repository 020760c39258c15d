"""Where our bids stand in the queue of recorded flow, and the paper exchange that is made of it."""
