"""What became of decisions, and how they come about."""
