-- Made by `make docs` from the models; never edited.
--
-- Distributes the tables over the servers of a Citus cluster: what grows with the work by tenant, the rest as
-- a copy on each. docs/operations.md ("Past one database") says when to run it, and what of it was tried. It
-- is run on the coordinator, by a superuser, after `migrate` and before the first service; again after a
-- migration that adds a table, which alone it then distributes.

-- Rows that are only ever added are guarded by triggers. Citus takes a table with triggers only if it is told
-- to: ours look at nothing but their row, and at the run or the draft of the same tenant, which is on the
-- same server. The latter is a query within a query on that server, which has to be allowed there.
-- Row-level security shows a session the rows of the tenant that it has set: each transaction sets it with
-- SET LOCAL (DB_DISTRIBUTED), and the servers that have the rows hear of it only if SET LOCAL is passed on.
DO $$
DECLARE
    setting text;
    command text;
BEGIN
    FOREACH setting IN ARRAY ARRAY[
        'citus.enable_unsafe_triggers = on',
        'citus.allow_nested_distributed_execution = on',
        'citus.propagate_set_commands = local'
    ] LOOP
        command := format('ALTER DATABASE %I SET ', current_database()) || setting;
        EXECUTE command;
        PERFORM run_command_on_workers(command);
    END LOOP;
END $$;
-- A database's settings are met by the sessions after this one.
SET citus.enable_unsafe_triggers = on;
SET citus.allow_nested_distributed_execution = on;
SET citus.propagate_set_commands = local;

-- Few rows, which are written seldom and read with nearly every call, of any tenant.
SELECT create_reference_table('access_keys')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'access_keys'::regclass);
SELECT create_reference_table('content_keys')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'content_keys'::regclass);
SELECT create_reference_table('panel_revisions')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'panel_revisions'::regclass);
SELECT create_reference_table('panels')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'panels'::regclass);
SELECT create_reference_table('policies')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'policies'::regclass);
SELECT create_reference_table('policy_revisions')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'policy_revisions'::regclass);
SELECT create_reference_table('signing_keys')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'signing_keys'::regclass);
SELECT create_reference_table('tenant_moves')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant_moves'::regclass);

-- A tenant's rows of all these tables are on one server: each is distributed by `tenant`, in one group. The
-- first makes the group; runs and drafts come before the tables whose triggers look at them. No foreign key
-- stands between any two tables, and every key has the tenant in it.
SELECT create_distributed_table('runs', 'tenant', colocate_with => 'none')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'runs'::regclass);
SELECT create_distributed_table('drafts', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'drafts'::regclass);
SELECT create_distributed_table('attempts', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'attempts'::regclass);
SELECT create_distributed_table('decision_overrides', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'decision_overrides'::regclass);
SELECT create_distributed_table('decisions', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'decisions'::regclass);
SELECT create_distributed_table('draft_invitations', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'draft_invitations'::regclass);
SELECT create_distributed_table('draft_members', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'draft_members'::regclass);
SELECT create_distributed_table('draft_segments', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'draft_segments'::regclass);
SELECT create_distributed_table('draft_turns', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'draft_turns'::regclass);
SELECT create_distributed_table('escalation_resolutions', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'escalation_resolutions'::regclass);
SELECT create_distributed_table('escalations', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'escalations'::regclass);
SELECT create_distributed_table('events', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'events'::regclass);
SELECT create_distributed_table('expansions', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'expansions'::regclass);
SELECT create_distributed_table('human_reviews', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'human_reviews'::regclass);
SELECT create_distributed_table('idempotency_keys', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'idempotency_keys'::regclass);
SELECT create_distributed_table('journal', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'journal'::regclass);
SELECT create_distributed_table('metrics', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'metrics'::regclass);
SELECT create_distributed_table('outcomes', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'outcomes'::regclass);
SELECT create_distributed_table('persona_reviews', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'persona_reviews'::regclass);
SELECT create_distributed_table('proposal_versions', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'proposal_versions'::regclass);
SELECT create_distributed_table('revisions', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'revisions'::regclass);
SELECT create_distributed_table('run_materials', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'run_materials'::regclass);
SELECT create_distributed_table('run_settings', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'run_settings'::regclass);
SELECT create_distributed_table('run_specifications', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'run_specifications'::regclass);
SELECT create_distributed_table('spend', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'spend'::regclass);
SELECT create_distributed_table('stream_heads', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'stream_heads'::regclass);
SELECT create_distributed_table('usage', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'usage'::regclass);
SELECT create_distributed_table('webhook_deliveries', 'tenant', colocate_with => 'runs')
    WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'webhook_deliveries'::regclass);

-- Nothing is done with `schema_compatibility` and `alembic_version`, which say where the schema stands:
-- services and migrations read them on the coordinator.
