"""Callers' names for requests, so that sending one twice has one effect."""
