"""Calls to the model, of runs and of expansions."""
