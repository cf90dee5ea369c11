"""The roles of DESIGN 7 and their database, made the same way on every private server."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from leadpilot.postgres.layout import Layout
from leadpilot.postgres.secret import DATABASE, Secret

ATTRIBUTES = {
    "leadpilot_owner": "login createdb nobypassrls",  # owns the tables, runs migrations, makes test databases
    "leadpilot_app": "login nobypassrls",  # web and workers: owns nothing, bypasses nothing
    "leadpilot_system": "login bypassrls",  # admin console, dumps, SECURITY DEFINER functions
}


@dataclass(frozen=True)
class Urls:
    """Connection URLs of the three roles. `repr` hides them, because they carry passwords."""

    app: str
    owner: str
    system: str

    def __repr__(self) -> str:
        return "Urls(…)"

    @classmethod
    def of(cls, layout: Layout, secret: Secret) -> Urls:
        """The URLs of the private server in `layout`."""
        return cls(*(secret.url(layout, role) for role in ("app", "owner", "system")))


def provision(admin_url: str, secret: Secret) -> None:
    """Create what is missing of the roles and the database; repeating it changes nothing."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        known = {name for (name,) in connection.execute("select rolname from pg_roles")}
        for role, attributes in ATTRIBUTES.items():
            if role not in known:
                _create_role(
                    connection,
                    role,
                    attributes,
                    secret.passwords[role.removeprefix("leadpilot_")],
                )
        # So that migrations can hand SECURITY DEFINER functions to the system role. The application is no
        # member.
        connection.execute("grant leadpilot_system to leadpilot_owner")
        if not connection.execute("select 1 from pg_database where datname = %s", [DATABASE]).fetchone():
            name = sql.Identifier(DATABASE)
            connection.execute(sql.SQL("create database {} owner leadpilot_owner").format(name))
        connection.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(DATABASE)))
        connection.execute(
            sql.SQL("grant connect on database {} to leadpilot_app, leadpilot_system").format(
                sql.Identifier(DATABASE)
            )
        )


def _create_role(connection: psycopg.Connection, role: str, attributes: str, password: str) -> None:
    # The server gets the SCRAM verifier, so that no log line can ever hold the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("create role {} " + attributes + " password {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier)))
