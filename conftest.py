"""What every test stands on: the application's own database role, three people, and no way out to the network."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError
from django.core.management.commands.flush import Command as FlushCommand
from django.db import OperationalError, connections
from django.test import Client

from leadpilot import environment

environment.load()
environment.ensure_database()

pytest_plugins = ["leadpilot.tests.browser"]


def pytest_configure(config: pytest.Config) -> None:
    """Cheap password hashes; everything else is as in production."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: Any,
    django_db_createdb: bool,
    django_db_keepdb: bool,
) -> Iterator[None]:
    """The owner's role makes and migrates one test database; the tests then use it as the application's role."""
    base = os.environ.get("TEST_DATABASE_NAME") or f"test_leadpilot_{os.getpid()}"
    worker = getattr(request.config, "workerinput", {}).get("workerid", "")
    name = f"{base}_{worker}" if worker else base
    owner = connections["owner"]
    with django_db_blocker.unblock():
        before = {alias: connections[alias].settings_dict["NAME"] for alias in ("default", "system", "owner")}
        owner.settings_dict["TEST"]["NAME"] = name
        keep = django_db_keepdb and not django_db_createdb
        owner.creation.create_test_db(verbosity=0, autoclobber=True, keepdb=keep)
        for alias in ("default", "system"):
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name
        with owner.cursor() as cursor:
            # Tests that commit are cleaned up with TRUNCATE; in production the application may not.
            for alias in ("default", "system"):
                role = connections[alias].settings_dict["USER"]
                cursor.execute(f'GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO "{role}"')
        # Flushing asks the router which tables `default` may migrate: none, so it would clean nothing.
        # On the class, because beside Playwright's loop Django opens further connections of its own.
        introspection = type(connections["default"].introspection)
        introspection.django_table_names = lambda self, **_: [  # type: ignore[method-assign]
            name for name in self.table_names() if name != "django_migrations"
        ]
    yield
    with django_db_blocker.unblock():
        for connection in connections.all():
            connection.close()
        if not django_db_keepdb:
            _drop(owner, before["owner"])


def _drop(owner: Any, name_before: str) -> None:
    """Remove the test database; a last request of a browser's page may still be leaving it."""
    for remaining in range(40, -1, -1):
        try:
            owner.creation.destroy_test_db(name_before, verbosity=0)
            return
        except OperationalError as error:
            if "being accessed" not in str(error) or not remaining:
                raise
            time.sleep(0.5)


_flush = FlushCommand.handle


def _patient_flush(self: FlushCommand, **options: Any) -> Any:
    """A page that still polls while its test ends can deadlock with the clean-up: then clean up again."""
    for remaining in range(9, -1, -1):
        try:
            return _flush(self, **options)
        except CommandError as error:
            if "deadlock" not in str(error.__cause__) or not remaining:
                raise
            time.sleep(0.3)
    return None


FlushCommand.handle = _patient_flush  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches beyond this machine fails."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family in (socket.AF_INET, socket.AF_INET6) and not host.startswith(
            ("127.", "::1", "localhost")
        ):
            raise AssertionError(f"A test reached out to {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def log_watch() -> Iterator[Any]:
    """Reads every line that is logged during the whole run; `plant(value)` adds to what must not stand in one."""
    from leadpilot.tests.probing.watch import watching

    with watching() as watch:
        yield watch


@pytest.fixture(autouse=True)
def _no_secrets_in_logs(log_watch: Any) -> Iterator[None]:
    """A test during which a secret is logged fails (TRUST A11)."""
    yield
    found = log_watch.take()
    assert not found, f"a secret was logged: {found}"


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    """`make_user("alice")` → a user with address alice@team.example."""
    from leadpilot.orgs.models import User

    def make(name: str) -> User:
        return User.objects.create_user(f"{name}@team.example", "correct horse battery", name=name.title())

    return make


@pytest.fixture
def alice(make_user: Callable[..., Any]) -> Any:
    """The owner."""
    return make_user("alice")


@pytest.fixture
def org(alice: Any) -> Any:
    """Alice's organization."""
    from leadpilot.orgs.services import create_organization

    return create_organization(
        name="Acme",
        slug="acme",
        owner=alice,
        postal_address="1 Harbour Street, 20457 Hamburg",
        offer="We help small teams to plan deliveries.",
    )


def _member(org: Any, user: Any, role: str) -> Any:
    from leadpilot.orgs.models import Membership
    from leadpilot.orgs.tenancy import org_context

    with org_context(org.pk):
        Membership.objects.create(org=org, user=user, role=role)
    return user


@pytest.fixture
def mia(org: Any, make_user: Callable[..., Any]) -> Any:
    """A member: may do the daily work."""
    return _member(org, make_user("mia"), "member")


@pytest.fixture
def bob(org: Any, make_user: Callable[..., Any]) -> Any:
    """A viewer: may look, not touch."""
    return _member(org, make_user("bob"), "viewer")


@pytest.fixture
def charlie(make_user: Callable[..., Any]) -> Any:
    """A stranger: owner of another organization."""
    return make_user("charlie")


@pytest.fixture
def other_org(charlie: Any) -> Any:
    """Charlie's organization."""
    from leadpilot.orgs.services import create_organization

    return create_organization(name="Other", slug="other", owner=charlie)


@pytest.fixture
def client_for() -> Callable[[Any], Client]:
    """`client_for(user)` → a test client that is signed in."""

    def make(user: Any) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make


@pytest.fixture
def in_org(org: Any) -> Iterator[Any]:
    """Run the test inside Alice's organization, as a job or a request would."""
    from leadpilot.orgs.tenancy import org_context

    with org_context(org.pk):
        yield org
