-- Three roles and their database, made once by a superuser. None of them is one.
--
--   psql --set=owner_password=… --set=service_password=… --file=roles.sql
--   psql --set=database=… --file=roles.sql        another database of theirs, where they are there already
--
-- consensus_owner    owns the tables and migrates them; serves nobody
-- consensus_service  what the persistence service connects as: sees one tenant at a time
-- consensus_writer   what that one becomes for what serves all tenants (DB_WRITER_ROLE); connects as nobody
\set ON_ERROR_STOP on

\if :{?database}
\else
\set database consensus_engine
CREATE ROLE consensus_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE consensus_service LOGIN NOINHERIT PASSWORD :'service_password';
CREATE ROLE consensus_writer NOLOGIN;
GRANT consensus_writer TO consensus_service;
-- So that `migrate` can give that one, as itself, what its sessions begin with (DB_POOLER_MODE=transaction).
GRANT consensus_service TO consensus_owner;
\endif

CREATE DATABASE :"database" OWNER consensus_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"database" TO consensus_service, consensus_writer;
-- Who dumps, restores and looks by hand sees all rows; the service never connects as this role.
ALTER ROLE consensus_owner IN DATABASE :"database" SET consensus.tenant = '*';

\connect :"database"
-- Which rows contain given data may be looked up by the index on it, though row-level security asks first
-- whose they are: PostgreSQL has to be told that the comparison says nothing of rows that it is not true of.
ALTER FUNCTION jsonb_contains(jsonb, jsonb) LEAKPROOF;
