"""Second factors: what makes the codes is encrypted at rest, works all the same, and rotates with the keys."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.management import CommandError, call_command
from django.db import connection

from leadpilot.lib.encryption import DecryptionError, generate_key, parse_keys
from leadpilot.orgs.mfa import MFAAdapter

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OLD, NEW = f"old:{generate_key()}", f"new:{generate_key()}"


@pytest.fixture(autouse=True)
def ring(settings: Any) -> Any:
    def use(*lines: str) -> None:
        settings.ENCRYPTION_KEYS = parse_keys(list(lines))

    use(OLD)
    return use


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select string_agg(data::text, ' ') from mfa_authenticator")
        return str(cursor.fetchone()[0])


def code_now() -> str:
    return format_hotp_value(hotp_value(SECRET, next(iter(yield_hotp_counters_from_time()))))


def rotate(**options: Any) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, database="default", **options)
    return out.getvalue()


def test_the_secret_of_one_time_codes_is_not_in_the_database(alice: Any) -> None:
    factor = TOTP.activate(alice, SECRET)
    assert SECRET not in stored()
    assert '"v1.old.' in stored()
    factor.instance.refresh_from_db()
    assert factor.validate_code(code_now())
    assert not factor.validate_code("000000")


def test_the_seed_of_recovery_codes_is_not_in_the_database(alice: Any) -> None:
    codes = RecoveryCodes.activate(alice)
    first = codes.generate_codes()
    seed = MFAAdapter().decrypt(codes.instance.data["seed"])
    assert seed not in stored()
    assert all(code not in stored() for code in first)
    again = RecoveryCodes(Authenticator.objects.get(pk=codes.instance.pk))
    assert again.generate_codes() == first
    assert again.validate_code(first[3])
    assert not again.validate_code(first[3])


def test_a_changed_secret_opens_no_door(alice: Any) -> None:
    factor = TOTP.activate(alice, SECRET)
    token = factor.instance.data["secret"]
    factor.instance.data["secret"] = token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]
    factor.instance.save()
    with pytest.raises(DecryptionError):
        factor.validate_code(code_now())


def test_factors_rotate_with_the_keys(alice: Any, mia: Any, ring: Any) -> None:
    factor, codes = TOTP.activate(alice, SECRET), RecoveryCodes.activate(mia)
    before = codes.generate_codes()
    ring(NEW, OLD)
    assert "mfa_authenticator.data: 2 to rotate" in rotate(dry_run=True)
    assert "v1.new." not in stored()
    assert "mfa_authenticator.data: 2 rotated" in rotate()
    assert "v1.old." not in stored()
    ring(NEW)
    factor.instance.refresh_from_db()
    assert factor.validate_code(code_now())
    assert RecoveryCodes(Authenticator.objects.get(pk=codes.instance.pk)).generate_codes() == before
    assert "mfa_authenticator.data: 0 rotated" in rotate()


def test_what_was_stored_in_plain_text_still_works_and_is_encrypted_by_the_rotation(alice: Any) -> None:
    plain = Authenticator.objects.create(
        user=alice, type=Authenticator.Type.TOTP, data={"secret": SECRET, "migrated_codes": ["11112222"]}
    )
    assert TOTP(plain).validate_code(code_now())
    assert "mfa_authenticator.data: 1 rotated" in rotate()
    assert SECRET not in stored()
    assert "11112222" not in stored()
    plain.refresh_from_db()
    assert [MFAAdapter().decrypt(code) for code in plain.data["migrated_codes"]] == ["11112222"]


def test_a_factor_that_does_not_open_is_named_and_left_as_it_is(alice: Any, ring: Any) -> None:
    factor = TOTP.activate(alice, SECRET)
    before = stored()
    ring(NEW)
    with pytest.raises(CommandError, match=rf"mfa_authenticator\.data {factor.instance.pk}"):
        rotate()
    assert stored() == before
