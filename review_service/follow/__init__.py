"""Callers who follow runs, wherever these are worked on."""
