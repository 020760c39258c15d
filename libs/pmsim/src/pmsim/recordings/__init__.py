"""Recordings of market data: read, whoever made them."""
