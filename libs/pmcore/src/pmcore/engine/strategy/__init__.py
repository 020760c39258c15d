"""The strategy's step: one window's market data, answers and time in; commands out."""
