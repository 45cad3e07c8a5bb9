"""Deletion that can be taken back: the one rule that hides what is deleted, and what ends it for good."""
