"""A simulated Polymarket behind HTTP and WebSockets."""
