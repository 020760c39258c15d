"""Machines composed into step functions."""
