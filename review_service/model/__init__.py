"""Calls to the model's provider; the only room that sees its client library."""
