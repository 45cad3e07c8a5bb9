"""The service that alone owns the database: runs, their journals, idempotency keys and the audit trail."""
