"""A simulated Polymarket: accounts, orders, matching, settlement, and what it writes."""
