"""What a run's own orders did, against what each model of fills makes of its market data."""
