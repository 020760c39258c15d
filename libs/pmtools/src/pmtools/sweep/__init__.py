"""`pm sweep`: many settings over many recorded windows, compared window by window."""
