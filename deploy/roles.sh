#!/bin/sh
# Makes the three roles and the database in a new PostgreSQL container (see .env.example).
set -eu
psql --set=ON_ERROR_STOP=1 --username=postgres \
  --set=app="$APP_PASSWORD" --set=owner="$OWNER_PASSWORD" --set=system="$SYSTEM_PASSWORD" <<'SQL'
create role leadpilot_owner login password :'owner' nobypassrls createdb;
create role leadpilot_app login password :'app' nobypassrls;
create role leadpilot_system login password :'system' bypassrls;
grant leadpilot_system to leadpilot_owner;
create database leadpilot owner leadpilot_owner;
SQL
