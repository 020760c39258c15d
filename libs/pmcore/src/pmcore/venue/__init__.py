"""Polymarket's dialect, pure: frames and JSON to messages and back."""
