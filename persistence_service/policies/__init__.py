"""Policies of decision, kept as data."""
