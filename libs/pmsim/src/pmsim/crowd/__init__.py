"""Everybody else in a synthetic market, and the price that it is a bet on."""
