"""The append-only, ordered record of streams: read for watching and for auditing."""
