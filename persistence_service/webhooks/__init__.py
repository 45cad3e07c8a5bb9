"""Telling a receiver that a run has ended: at least once, signed, and without any content."""
