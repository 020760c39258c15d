"""`pm watch`: what the console shows, in a terminal."""
