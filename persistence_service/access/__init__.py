"""Access keys of callers, and what the audit trail is told of calls that were refused."""
