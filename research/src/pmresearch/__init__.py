"""What fits the simulated world to recordings and draws plots. Never shipped."""
