#!/bin/sh
# What a Replit deployment runs: migrations, then the workers beside the web server. Settings are its secrets.
set -eu
export STATIC_COLLECTED=true BEHIND_PROXY=true
.venv/bin/python manage.py migrate
.venv/bin/python manage.py collectstatic --noinput
.venv/bin/python -m leadpilot.run worker &
export LEADPILOT_PROCESS=web
exec .venv/bin/granian --interface asginl --host 0.0.0.0 --port "${PORT:-8000}" --no-ws leadpilot.asgi:application
