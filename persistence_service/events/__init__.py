"""Events of other backends, for analytics; not the events of a run."""
