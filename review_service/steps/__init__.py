"""One step of a run: what the model is asked, how often, and how its answer is read."""
