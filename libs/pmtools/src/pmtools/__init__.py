"""Commands for people: run, replay, simulator, status, kill, resume, doctor."""
