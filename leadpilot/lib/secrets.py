"""A model field for secrets: the database, forms, fixtures and reprs see ciphertext or nothing."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models

from leadpilot.lib.encryption import decrypt, encrypt, is_token


class Sealed(str):
    """A ciphertext as it lies in the database; shows nothing of itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<sealed>" if self else "''"


class SecretField(models.TextField[Any, Any]):
    """Holds the tokens of `leadpilot.lib.encryption`; refuses to save anything else. Not editable, so not in the admin.

    Use it on a model with `HasSecrets`, and read and write through that.
    """

    description = "an encrypted text"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("blank", True)
        kwargs.setdefault("default", "")
        kwargs["editable"] = False
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: str | None, expression: object, connection: object) -> Sealed:
        """Wrap what the database gives."""
        return Sealed(value or "")

    def get_prep_value(self, value: Any) -> Any:
        """Fail closed on plain text: it must never reach the database, not even for a moment."""
        if isinstance(value, str) and value and not is_token(value):
            raise ValueError(f"{self.name} takes secrets through write_secret only")
        return str(value) if isinstance(value, str) else super().get_prep_value(value)


class HasSecrets(models.Model):
    """Gives a model `read_secret` and `write_secret`; it needs an `org_id` and a primary key known before saving."""

    class Meta:
        abstract = True

    def read_secret(self, name: str) -> str:
        """The plain text of a SecretField, "" when none is stored; raises DecryptionError when it does not open."""
        token = getattr(self, secret_field(type(self), name).attname)
        return decrypt(token, **place_of(self, name)) if token else ""

    def write_secret(self, name: str, value: str) -> None:
        """Put an encrypted value, or "" for none, on the instance; the caller saves it."""
        field = secret_field(type(self), name)
        setattr(self, field.attname, Sealed(encrypt(value, **place_of(self, name))) if value else Sealed(""))


def secret_field(model: type[models.Model], name: str) -> SecretField:
    """The SecretField of this name; raises FieldDoesNotExist also for fields of another kind."""
    field = model._meta.get_field(name)
    if not isinstance(field, SecretField):
        raise FieldDoesNotExist(f"{model.__name__}.{name} is no SecretField")
    return field


def secret_fields(model: type[models.Model]) -> list[SecretField]:
    """All SecretFields that a model's own table has."""
    return [field for field in model._meta.local_concrete_fields if isinstance(field, SecretField)]


def place_of(instance: models.Model, name: str) -> dict[str, Any]:
    """Where a secret lives, as `encrypt` and `decrypt` want it."""
    field = secret_field(type(instance), name)
    return {
        "tenant": getattr(instance, "org_id"),  # noqa: B009 - the base class cannot promise it to the type checker
        "table": field.model._meta.db_table,
        "column": field.column,
        "row": instance.pk,
    }
