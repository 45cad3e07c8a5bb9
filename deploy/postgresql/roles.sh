#!/bin/sh
# Run by PostgreSQL's image when it prepares an empty volume.
set -eu
psql --no-psqlrc --username="$POSTGRES_USER" --dbname=postgres \
    --set=owner_password="$(cat /run/secrets/db_owner_password)" \
    --set=service_password="$(cat /run/secrets/db_service_password)" \
    --file=/srv/roles.sql
