"""A11: pages, exports, the console, what people type when they sign in, and imports."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as conf
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from campaigns.models import Mailbox
from campaigns.services.unsubscribe import make_token
from leadpilot.lib import jobs
from leadpilot.orgs.models import User
from leadpilot.orgs.services import issue_sign_in_link
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.probing.callers import BACKEND
from leadpilot.tests.probing.fingerprints import texts
from leadpilot.tests.probing.planted import PEOPLE, QUEUE_TABLES, SECRETS, captured_logs, rows_of, search
from leadpilot.tests.probing.planted_world import plant
from leadpilot.tests.probing.routes import address
from leadpilot.tests.probing.rules import OURS
from leadpilot.tests.probing.world import Furnished, tenant_models
from leads.models import LeadImport

pytestmark = pytest.mark.django_db(databases=["default", "system"], transaction=True)


@pytest.fixture
def world() -> Furnished:
    return plant()


@pytest.fixture
def owner(world: Furnished) -> Client:
    client = Client()
    client.force_login(world.owner, backend=BACKEND)
    return client


def whole(response: Any) -> str:
    """The body of a page or of an export that streams."""
    return (b"".join(response.streaming_content) if response.streaming else response.content).decode()


def sealed(world: Furnished) -> dict[str, str]:
    """The ciphertexts, which are nobody's to see either."""
    with org_context(world.org.pk):
        mailbox = Mailbox.objects.get(pk=world.ids["mailbox"])
    return {"sealed smtp": str(mailbox.smtp_password), "sealed imap": str(mailbox.imap_password)}


def test_no_page_and_no_export_shows_a_secret(world: Furnished, owner: Client) -> None:
    hidden, found, shown = {**SECRETS, **sealed(world)}, [], []
    with captured_logs() as log:
        for name, rule in OURS.items():
            if "GET" in rule.methods and rule.role != "public":
                path = address(name, world.ids[rule.path]) if rule.path else address(name)
                page = whole(owner.get(path))
                found += search(name, page, hidden)
                shown += search(name, page, PEOPLE)
    assert found == []
    assert len({each.what for each in shown}) > 15, "the pages show what their members may see"
    assert search("the log", log.getvalue(), {**hidden, **PEOPLE}) == []


def test_the_console_shows_no_secret(world: Furnished) -> None:
    support = Client()
    support.force_login(User.objects.create_superuser("support@leadpilot.example", None), backend=BACKEND)
    hidden, found = {**SECRETS, **sealed(world)}, []
    with captured_logs() as log:
        for model in tenant_models():
            if not admin.site.is_registered(model):
                continue
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            with org_context(world.org.pk):
                row = model.objects.order_by("pk").first()
            pages = [
                reverse(f"{name}_changelist"),
                *(reverse(f"{name}_{p}", args=[row.pk]) for p in ("change", "history")),
            ]
            for path in pages:
                answer = support.get(path)
                assert answer.status_code == 200, path
                found += search(path, answer.content.decode(), hidden)
    assert found == []
    assert search("the log", log.getvalue()) == []


def test_signing_in_leaves_no_trace_of_passwords_and_links(world: Furnished) -> None:
    client, link = Client(), issue_sign_in_link(user=world.owner)
    token = make_token(org_id=world.org.pk, lead_id=world.ids["lead"])
    email = world.owner.email
    with captured_logs() as log:
        for name in ("user password, wrong", "user password"):
            client.post(reverse("account_login"), {"login": email, "password": SECRETS[name]})
        assert "_auth_user_id" in client.session
        new = {"oldpassword": SECRETS["user password"], "password1": SECRETS["user password, new"]}
        client.post(reverse("account_change_password"), {**new, "password2": SECRETS["user password, new"]})
        client.post(reverse("mfa_activate_totp"), {"code": SECRETS["one-time code"]})
        session = client.session.session_key
        client.post(reverse("account_logout"))
        client.post(reverse("account_reset_password"), {"email": email})
        for path in (
            f"/enter/{link}/",
            f"/enter/{link}x/",
            f"/u/{token}/",
            f"/u/{token}x/",
            f"/u/{token[:-3]}",
        ):
            client.get(path)
            client.post(path)
        client.get(f"/accounts/password/reset/key/1-{link}/", {"q": SECRETS["cookie"]})
        client.get("/leads/", {"q": PEOPLE["search words"]}, headers={"Cookie": SECRETS["cookie"]})
    values = {**SECRETS, "link": link, "token": token, "its ids": token.partition(".")[0], "session": session}
    assert "/u/" in log.getvalue()
    assert search("the log", log.getvalue(), {**values, **PEOPLE}) == []
    assert search("the queue", rows_of(QUEUE_TABLES), values) == []


def test_an_import_keeps_its_cells_out_of_logs_and_queue(
    world: Furnished, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leads.services.imports.AT_ONCE", 0)  # by a worker, however small
    rows = [
        ["name", "email", "phone", "note"],
        [
            PEOPLE["imported name"],
            PEOPLE["imported address"],
            PEOPLE["imported phone"],
            PEOPLE["imported note"],
        ],
        [PEOPLE["lead's name"], PEOPLE["lead's address"], "", ""],
        ["", PEOPLE["imported broken address"], "x" * 500, "\0"],
        [PEOPLE["imported name"], PEOPLE["suppressed address"], "", PEOPLE["imported note"]],
    ]
    file = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    upload = SimpleUploadedFile("planted.csv", file.encode(), "text/csv")
    with captured_logs() as log:
        page = owner.post(reverse("leads:import_create"), {"file": upload})
        path = page["Location"]
        columns = {f"column-{n}": field for n, field in enumerate(["name", "email", "phone", "custom"])}
        started = owner.post(f"{path}start/", {**columns, "update_existing": "1"})
        assert started.status_code == 302
        queued = rows_of(QUEUE_TABLES)
        assert "run_import" in queued
        jobs.run_pending()
        problems = owner.get(f"{path}problems.csv")
    with org_context(world.org.pk):
        done = LeadImport.objects.get(file_name="planted.csv")
    assert (done.status, done.created) == ("completed", 1)
    assert PEOPLE["imported broken address"] in problems.content.decode()
    assert search("the log", log.getvalue()) + search("the queue", queued + rows_of(QUEUE_TABLES)) == []
    assert search("the export", problems.content.decode(), SECRETS) == []
    assert search("the rows", texts(world.org), SECRETS) == []
    assert conf.SECRET_KEY not in log.getvalue()
