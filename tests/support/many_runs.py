"""Many runs at a stroke, for tests and benchmarks of lists on PostgreSQL."""

from datetime import UTC, datetime

ROWS = 100_000
FIRST_RUN = datetime(2026, 1, 2, tzinfo=UTC)
"""When the first was created; each is a second later than the one before."""

SETTINGS = (
    '{"expand_model": "m", "review_model": "m", "persona_template_version": "1.0.0", '
    '"policy_version": "1.0.0", "personas": []}'
)
DISTINCT_SETTINGS = 1000
"""More than a deployment has, so that reading all of them for a page would show."""

FILL_RUNS = f"""
INSERT INTO run_settings (tenant, digest, settings)
SELECT 'default', sha256(int4send(n)), '{SETTINGS}' FROM generate_series(0, {DISTINCT_SETTINGS - 1}) AS n;
INSERT INTO runs (tenant, run_id, run_type, state, caller, user_id, request_id, parent_run_id,
    decision_label, confidence, decision_policy_version, run_timeout_microseconds, retry_count,
    take_over_count, barren_take_over_count, last_sequence, head_hash, last_record_id, fencing_token,
    lease_was_released, create_time, update_time)
SELECT 'default', 'run-' || lpad(n::text, 6, '0'),
    CASE WHEN n % 1000 = 1 THEN 'REVISION' ELSE 'INITIAL' END,
    CASE WHEN n % 5000 = 2 THEN 'CANCELLED' WHEN n % 50 = 3 THEN 'FAILED' ELSE 'COMPLETED' END,
    'anonymous', 'u-' || n % 500, 'q', CASE WHEN n % 1000 = 1 THEN 'run-000700' END,
    CASE WHEN n % 50 = 3 OR n % 5000 = 2 THEN NULL
        ELSE (ARRAY['APPROVE', 'REVISE', 'REVISE', 'REJECT'])[1 + n % 4] END,
    CASE WHEN n % 50 = 3 OR n % 5000 = 2 THEN NULL ELSE (n * 7919) % 10000 END, '1.0.0',
    600000000, 0, 0, 0, 24, decode(repeat('00', 32), 'hex'), 8, 1, false,
    timestamptz '{FIRST_RUN.isoformat()}' + n * interval '1 second', now()
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO run_specifications (tenant, run_id, idea, settings_digest)
SELECT 'default', 'run-' || lpad(n::text, 6, '0'), 'Idea ' || n,
    sha256(int4send((n % {DISTINCT_SETTINGS})::int))
FROM generate_series(1, {ROWS}) AS n;
ANALYZE runs; ANALYZE run_settings; ANALYZE run_specifications
"""
