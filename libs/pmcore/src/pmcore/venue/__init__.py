"""Polymarket's formats, pure: frames and JSON to messages and back."""
