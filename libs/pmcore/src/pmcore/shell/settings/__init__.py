"""What services read from the environment."""
