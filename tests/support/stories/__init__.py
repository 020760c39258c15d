"""Fixed stories for the pure core, and what it answers: see tests/replay/test_stories.py."""
