"""Panels: who reviews, kept as data; every revision stays."""
