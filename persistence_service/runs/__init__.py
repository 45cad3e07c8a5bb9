"""Runs: their state, what they are to do, and what came of them."""
