"""The audit trail: reading, verifying and exporting the journal, and signing checkpoints of it."""
