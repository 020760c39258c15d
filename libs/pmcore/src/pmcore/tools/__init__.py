"""Commands for people: run, replay, status, kill, resume, doctor."""
