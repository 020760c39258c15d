"""`pm bench`: what the hot paths cost on this machine, each beside its floor in the same run."""
