"""`manage.py rotate_keys`: write every stored secret again with the first key of ENCRYPTION_KEYS."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models
from django.db.models import Q

from leadpilot.lib.encryption import DecryptionError, decrypt, encrypt, newest_prefix
from leadpilot.lib.secrets import SecretField, place_of, secret_fields
from leadpilot.orgs import mfa


class Command(BaseCommand):
    """Goes over the SecretFields of all organizations and people's second factors.

    May be stopped, repeated, and run beside the application.
    """

    help = (
        "Encrypt every stored secret again with the first key of ENCRYPTION_KEYS. Safe to stop and to repeat."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options; `system` is the database role that sees every organization's rows."""
        parser.add_argument("--database", default="system", help="database alias (default: system)")
        parser.add_argument("--batch-size", type=int, default=200, help="rows read at once (default: 200)")
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each column; exit with an error when a secret did not open."""
        unreadable: list[str] = []
        for model in apps.get_models():
            for field in secret_fields(model):
                self._column(model, field, options, unreadable)
        self._second_factors(options, unreadable)
        if unreadable:
            shown = ", ".join(unreadable[:20])
            raise CommandError(f"{len(unreadable)} secrets did not open and were left as they are: {shown}")
        self.stdout.write(f"Every secret is under key {newest_prefix().split('.')[1]}.")

    def _second_factors(self, options: dict[str, Any], unreadable: list[str]) -> None:
        rotated, failed = mfa.rotate(options["database"], dry_run=options["dry_run"])
        unreadable.extend(failed)
        verb = "to rotate" if options["dry_run"] else "rotated"
        self.stdout.write(f"mfa_authenticator.data: {rotated} {verb}, {len(failed)} unreadable")

    def _column(
        self, model: type[models.Model], field: SecretField, options: dict[str, Any], unreadable: list[str]
    ) -> None:
        written = skipped = failed = 0
        for row in _old_rows(model, field, options["database"], options["batch_size"]):
            old = str(getattr(row, field.attname))
            place = place_of(row, field.name)
            try:
                plain = decrypt(old, **place)
            except DecryptionError:
                failed += 1
                unreadable.append(f"{model._meta.db_table}.{field.column} {row.pk}")
                continue
            if options["dry_run"]:
                written += 1
                continue
            # Only if nobody wrote a new secret meanwhile: the application goes on while this runs.
            same = model._base_manager.using(options["database"]).filter(pk=row.pk, **{field.attname: old})
            changed = same.update(**{field.attname: encrypt(plain, **place)})
            written += changed
            skipped += 1 - changed
        verb = "to rotate" if options["dry_run"] else "rotated"
        column = f"{model._meta.db_table}.{field.column}"
        self.stdout.write(f"{column}: {written} {verb}, {skipped} changed meanwhile, {failed} unreadable")


def _old_rows(
    model: type[models.Model], field: SecretField, database: str, batch_size: int
) -> Iterator[models.Model]:
    """Rows whose secret is not under the newest key, in batches by primary key so that memory stays flat."""
    done = Q(**{field.attname: ""}) | Q(**{f"{field.attname}__startswith": newest_prefix()})
    rows = (
        model._base_manager.using(database).exclude(done).order_by("pk").only("pk", "org_id", field.attname)
    )
    last = None
    while True:
        batch = list((rows.filter(pk__gt=last) if last is not None else rows)[:batch_size])
        yield from batch
        if len(batch) < batch_size:
            return
        last = batch[-1].pk
