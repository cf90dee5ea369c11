"""A1 at the routes of accounts: another person's keys and devices are answered like ones that do not exist."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.core.cache import cache

from leadpilot.orgs.models import User
from leadpilot.tests.probing.answers import read
from leadpilot.tests.probing.callers import METHODS, watched_writes
from leadpilot.tests.probing.fixtures import Stage
from leadpilot.tests.probing.routes import address, id_parameters
from leadpilot.tests.probing.rules_foreign import ACCOUNTS

pytest_plugins = ["leadpilot.tests.probing.plugin"]

WITH_ID = [name for name, kinds in ACCOUNTS.items() if kinds]
pytestmark = pytest.mark.django_db


@pytest.fixture
def values(stage: Stage) -> dict[str, tuple[Any, Any]]:
    """{kind: (the victim's, one that is not there)}"""
    victim = stage.victim.owner
    device = Authenticator.objects.create(
        user=victim, type=Authenticator.Type.WEBAUTHN, data={"name": f"{stage.victim.word} key"}
    )
    stale = default_token_generator.make_token(victim)
    User.objects.filter(pk=victim.pk).update(password="changed since")
    return {
        "authenticator": (device.pk, device.pk + 100_000),
        "user36": (user_pk_to_url_str(victim), user_pk_to_url_str(User())),
        "stale_key": (stale, stale),
        "confirmation": ("MQ:" + "1x" * 20, "Mg:" + "1x" * 20),
    }


def test_the_table_says_how_many_values_a_route_takes() -> None:
    for name, kinds in ACCOUNTS.items():
        assert len(id_parameters(name)) == len(kinds), name


@pytest.mark.parametrize("name", WITH_ID)
def test_another_persons_keys_are_missing_keys(
    name: str,
    stage: Stage,
    values: dict[str, tuple[Any, Any]],
) -> None:
    for caller in stage.callers:
        for method in METHODS:
            answers = []
            for which in (0, 1):
                cache.clear()  # allauth counts attempts by address; this is not about that
                chosen = [values[kind][which] for kind in ACCOUNTS[name]]
                path = address(name, *chosen)
                with watched_writes() as written:
                    answers.append(read(caller.call(method, path), [path]))
                assert [sql for sql in written if "django_session" not in sql] == []
            where = f"{method} {name} as {caller.name}"
            assert answers[0] == answers[1], where
            assert answers[0].status < 500, where
            assert stage.victim.word not in answers[0], where
