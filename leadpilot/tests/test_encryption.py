from __future__ import annotations

import base64
import os
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.core import serializers
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.forms.models import modelform_factory

from leadpilot.lib import encryption
from leadpilot.lib.encryption import (
    DecryptionError,
    decrypt,
    encrypt,
    generate_key,
    needs_rotation,
    parse_keys,
)
from leadpilot.lib.secrets import Sealed, place_of, secret_fields

PLACE = {"tenant": "t1", "table": "mailbox", "column": "password", "row": "r1"}
OLD, NEW = f"old:{generate_key()}", f"new:{generate_key()}"


@pytest.fixture(autouse=True)
def ring(settings: Any) -> Any:
    """`ring("new:…", "old:…")` sets the keys; one key to begin with."""

    def use(*lines: str) -> None:
        settings.ENCRYPTION_KEYS = parse_keys(list(lines))

    use(OLD)
    return use


@pytest.mark.parametrize("text", ["", "x", "hunter2", "Grüße 🙂", "a\x00b", "p" * 100_000])
def test_what_is_encrypted_comes_back(text: str) -> None:
    token = encrypt(text, **PLACE)
    assert decrypt(token, **PLACE) == text
    assert len(text) < 3 or text not in token
    assert token.startswith("v1.old.")


def test_the_same_text_never_looks_the_same() -> None:
    assert len({encrypt("x", **PLACE) for _ in range(200)}) == 200


@pytest.mark.parametrize("part", PLACE)
def test_a_token_opens_in_its_own_place_only(part: str) -> None:
    token = encrypt("secret", **PLACE)
    with pytest.raises(DecryptionError, match="another place"):
        decrypt(token, **{**PLACE, part: "elsewhere"})


def test_places_that_read_the_same_when_joined_are_different() -> None:
    token = encrypt("secret", tenant="a", table="b", column="c", row="d")
    for other in [
        ("a", "b", "cd", ""),
        ("ab", "", "c", "d"),
        ("a", "b.c", "d", "e"),
        ("a", 'b","c', "c", "d"),
    ]:
        with pytest.raises((DecryptionError, ValueError)):
            decrypt(token, tenant=other[0], table=other[1], column=other[2], row=other[3])


def test_every_flipped_bit_is_noticed() -> None:
    version, key, text = encrypt("secret", **PLACE).split(".")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    for position in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[position // 8] ^= 1 << position % 8
        token = f"{version}.{key}.{base64.urlsafe_b64encode(changed).decode().rstrip('=')}"
        with pytest.raises(DecryptionError):
            decrypt(token, **PLACE)


def test_every_shortened_token_is_noticed() -> None:
    token = encrypt("secret", **PLACE)
    for length in range(len(token)):
        with pytest.raises(DecryptionError):
            decrypt(token[:length], **PLACE)


def test_another_spelling_of_the_same_bytes_is_noticed() -> None:
    token = encrypt("secre", **PLACE)  # 33 bytes: the last of its base64 letters carries no spare bits
    for text in ("secret", "secrets"):
        token = encrypt(text, **PLACE)
        last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        twin = token[:-1] + last[last.index(token[-1]) ^ 1]
        with pytest.raises(DecryptionError):
            decrypt(twin, **PLACE)


@pytest.mark.parametrize(
    "token",
    ["", "secret", "v1", "v1.old", "v1.old.", "v2.old.AAAA", "v1.old.AAAA", "v1..AAAA", "v1.old.A=\n"],
)
def test_what_is_no_token_does_not_open(token: str) -> None:
    with pytest.raises(DecryptionError):
        decrypt(token, **PLACE)


def test_a_relabelled_key_is_noticed(ring: Any) -> None:
    token = encrypt("secret", **PLACE)
    same = OLD.partition(":")[2]
    ring(f"alias:{same}")
    with pytest.raises(DecryptionError, match="damaged"):
        decrypt(token.replace("v1.old.", "v1.alias."), **PLACE)


def test_a_key_that_is_gone_is_named(ring: Any) -> None:
    token = encrypt("secret", **PLACE)
    ring(NEW)
    with pytest.raises(DecryptionError, match="needs key old, which is not in ENCRYPTION_KEYS"):
        decrypt(token, **PLACE)
    ring(f"old:{generate_key()}")
    with pytest.raises(DecryptionError, match="damaged"):
        decrypt(token, **PLACE)


def test_an_error_tells_nothing_of_the_secret() -> None:
    token = encrypt("hunter2hunter2", **PLACE)
    with pytest.raises(DecryptionError) as caught:
        decrypt(token, **{**PLACE, "row": "r2"})
    assert "hunter2" not in str(caught.value)
    assert token[10:] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_first_key_writes_and_all_read(ring: Any) -> None:
    before = encrypt("secret", **PLACE)
    ring(NEW, OLD)
    after = encrypt("secret", **PLACE)
    assert decrypt(before, **PLACE) == decrypt(after, **PLACE) == "secret"
    assert needs_rotation(before)
    assert not needs_rotation(after)


@pytest.mark.parametrize("missing", PLACE)
@pytest.mark.parametrize("value", ["", None])
def test_nothing_is_encrypted_for_an_incomplete_place(missing: str, value: Any) -> None:
    with pytest.raises(ValueError, match="needs tenant, table, column and row"):
        encrypt("secret", **{**PLACE, missing: value})


def test_keys_are_read() -> None:
    keys = parse_keys([OLD, f" {NEW} "])
    assert [key.id for key in keys] == ["old", "new"]
    assert len(keys[0].secret) == 32
    assert len({generate_key() for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty"),
        (["secretsecretsecret"], "entry 1: write it as name:key"),
        ([":" + generate_key()], "entry 1"),
        (["a b:" + generate_key()], "entry 1"),
        (["k.1:" + generate_key()], "entry 1"),
        ([OLD, "k" * 33 + ":" + generate_key()], "entry 2"),
        (["k1:not base64!"], "key k1: it is not base64"),
        (["k1:" + base64.b64encode(os.urandom(16)).decode()], "has 16 bytes, not 32"),
        (["k1:"], "has 0 bytes"),
        ([OLD, OLD], "two keys named old"),
    ],
)
def test_wrong_keys_stop_the_start_with_a_sentence(lines: list[str], said: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        parse_keys(lines)
    assert said in str(caught.value)
    assert "secretsecret" not in str(caught.value)


def test_keys_do_not_show_in_a_repr() -> None:
    assert "secret=" not in repr(parse_keys([OLD]))


# The field, on the model that has most of them.


def mailbox(org: Any, **values: Any) -> Any:
    model = apps.get_model("campaigns", "Mailbox")
    made = model(org=org, email=f"{uuid4().hex[:8]}@acme.example", **values)
    made.write_secret("smtp_password", "hunter2hunter2")
    made.save()
    return made


def stored(made: Any, column: str = "smtp_password") -> str:
    with connections["default"].cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {made._meta.db_table} WHERE id = %s", [made.pk])
        return cursor.fetchone()[0]


def test_the_database_sees_ciphertext_only(in_org: Any) -> None:
    made = mailbox(in_org)
    assert stored(made).startswith("v1.old.")
    again = type(made).objects.get(pk=made.pk)
    assert again.read_secret("smtp_password") == "hunter2hunter2"
    assert again.read_secret("imap_password") == ""


def test_a_secret_can_be_removed(in_org: Any) -> None:
    made = mailbox(in_org)
    made.write_secret("smtp_password", "")
    made.save()
    assert stored(made) == ""
    assert made.read_secret("smtp_password") == ""


@pytest.mark.parametrize("how", ["save", "update", "create", "bulk_update"])
def test_plain_text_never_reaches_the_database(in_org: Any, how: str) -> None:
    made = mailbox(in_org)
    before = stored(made)
    model = type(made)
    made.smtp_password = "plain"
    with pytest.raises(ValueError, match="write_secret"), transaction.atomic():
        if how == "save":
            made.save()
        elif how == "update":
            model.objects.filter(pk=made.pk).update(smtp_password="plain")
        elif how == "create":
            model.objects.create(org=in_org, email="x@y.example", smtp_password="plain")
        else:
            model.objects.bulk_update([made], ["smtp_password"])
    assert stored(made) == before


def test_a_secret_moved_to_another_row_or_column_does_not_open(in_org: Any) -> None:
    one, two = mailbox(in_org), mailbox(in_org)
    model = type(one)
    model.objects.filter(pk=two.pk).update(smtp_password=stored(one), imap_password=stored(two))
    two = model.objects.get(pk=two.pk)
    for column in ("smtp_password", "imap_password"):
        with pytest.raises(DecryptionError):
            two.read_secret(column)


def test_a_secret_of_another_organization_does_not_open(in_org: Any) -> None:
    made = mailbox(in_org)
    made.org_id = uuid4()
    with pytest.raises(DecryptionError):
        made.read_secret("smtp_password")


def test_secrets_do_not_show(in_org: Any) -> None:
    made = type(mailbox(in_org)).objects.latest("id")
    assert "hunter2" not in repr(made) + str(made) + repr(vars(made))
    assert stored(made) not in repr(vars(made))
    assert repr(Sealed("v1.x.y")) == "<sealed>"
    assert "hunter2" not in serializers.serialize("json", [made])


def test_forms_and_the_admin_leave_secrets_out(in_org: Any) -> None:
    model = apps.get_model("campaigns", "Mailbox")
    assert "smtp_password" not in modelform_factory(model, fields="__all__").base_fields
    for site_model, options in admin.site._registry.items():
        names = {field.name for field in secret_fields(site_model)}
        shown = {
            *options.list_display,
            *options.list_filter,
            *options.search_fields,
            *options.readonly_fields,
        }
        assert not names & {str(name) for name in shown}, site_model


def test_only_secret_fields_are_read_and_written_as_secrets(in_org: Any) -> None:
    made = mailbox(in_org)
    with pytest.raises(FieldDoesNotExist):
        made.read_secret("email")
    with pytest.raises(FieldDoesNotExist):
        made.write_secret("nothing", "x")


def rotate(**options: Any) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, **options)
    return out.getvalue()


MAILBOX = "campaigns_mailbox.smtp_password"


def test_rotation_goes_over_every_organization(in_org: Any, ring: Any) -> None:
    made = [mailbox(in_org) for _ in range(5)]
    ring(NEW, OLD)
    said = rotate(database="default", batch_size=2)
    assert "5 rotated, 0 changed meanwhile, 0 unreadable" in said
    assert "Every secret is under key new." in said
    for one in made:
        assert stored(one).startswith("v1.new.")
    ring(NEW)
    assert type(made[0]).objects.get(pk=made[0].pk).read_secret("smtp_password") == "hunter2hunter2"
    assert "0 rotated" in rotate(database="default")


def test_a_dry_run_writes_nothing(in_org: Any, ring: Any) -> None:
    made = mailbox(in_org)
    before = stored(made)
    ring(NEW, OLD)
    assert "1 to rotate" in rotate(database="default", dry_run=True)
    assert stored(made) == before


def test_a_secret_that_does_not_open_is_named_and_left(in_org: Any, ring: Any) -> None:
    good, bad = mailbox(in_org), mailbox(in_org)
    type(bad).objects.filter(pk=bad.pk).update(smtp_password=stored(good))
    ring(NEW, OLD)
    with pytest.raises(CommandError, match=rf"1 secrets did not open.*{bad.pk}"):
        rotate(database="default", batch_size=1)
    assert stored(good).startswith("v1.new.")
    assert stored(bad).startswith("v1.old.")


def test_a_secret_that_the_application_changes_meanwhile_is_not_overwritten(
    in_org: Any, ring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = mailbox(in_org)
    ring(NEW, OLD)
    command = __import__("leadpilot.orgs.management.commands.rotate_keys", fromlist=["encrypt"])

    def slow(plain: str, **place: Any) -> str:
        other = type(made).objects.get(pk=made.pk)
        other.smtp_password = Sealed(encryption.encrypt("changed", **place_of(other, "smtp_password")))
        other.save()
        return encryption.encrypt(plain, **place)

    monkeypatch.setattr(command, "encrypt", slow)
    assert "0 rotated, 1 changed meanwhile" in rotate(database="default")
    assert type(made).objects.get(pk=made.pk).read_secret("smtp_password") == "changed"


@pytest.mark.django_db(transaction=True, databases=["default", "system"])
def test_rotation_by_default_sees_all_organizations_through_the_system_role(
    org: Any, other_org: Any, ring: Any
) -> None:
    from leadpilot.orgs.tenancy import org_context

    made = []
    for one in (org, other_org):
        with org_context(one.pk):
            made.append(mailbox(one))
    ring(NEW, OLD)
    assert "2 rotated" in rotate()
    for one in made:
        with org_context(one.org_id):
            assert stored(one).startswith("v1.new.")
