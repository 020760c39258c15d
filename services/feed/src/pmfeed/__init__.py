"""Market socket to market-data stream; discovers, announces and records windows."""
