"""What goes wrong at a simulated venue and on the way to it."""
