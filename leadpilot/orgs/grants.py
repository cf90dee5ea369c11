"""What the application's and the system's roles may do with the tables the owner makes."""

from __future__ import annotations

from typing import Any

from django.db import connections
from psycopg import sql

RIGHTS = (
    ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
    ("SEQUENCES", "USAGE, SELECT"),
    ("FUNCTIONS", "EXECUTE"),
)


def grant_before_migrating(using: str = "owner", **kwargs: Any) -> None:
    """Receiver of `pre_migrate`: default privileges, so that each new table is usable by both roles."""
    if using != "owner":
        return
    names = [connections["default"].settings_dict["USER"], connections["system"].settings_dict["USER"]]
    roles = sql.SQL(", ").join(sql.Identifier(name) for name in dict.fromkeys(names))
    with connections[using].cursor() as cursor:
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(roles))
        # The owner of a function (protection.SystemFunction) needs the right to make it.
        cursor.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(sql.Identifier(names[1])))
        for kind, rights in RIGHTS:
            parts = {"rights": sql.SQL(rights), "kind": sql.SQL(kind), "roles": roles}
            cursor.execute(
                sql.SQL(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rights} ON {kind} TO {roles}"
                ).format(**parts)
            )
            cursor.execute(
                sql.SQL("GRANT {rights} ON ALL {kind} IN SCHEMA public TO {roles}").format(**parts)
            )
