"""The demo organization: people to write to, a mailbox to write from, a campaign that is ready to start."""

import csv
import io
import tomllib
from datetime import time
from typing import Any

from django.conf import settings
from django.db import transaction

from agent.services import control
from campaigns.models import Campaign, CampaignStatus, InboundKind, Mailbox, SequenceStep
from campaigns.models.campaign import WEEKDAYS, CampaignMailbox
from campaigns.models.mailbox import Security
from leadpilot.orgs.models import Organization, User
from leadpilot.orgs.services import create_organization, organization_id
from leadpilot.orgs.tenancy import org_context
from leadpilot.sandbox.world import DATA, World
from leads.services import imports

LEAD_COLUMNS = ("Name", "Email", "Company", "Title", "Website", "LinkedIn", "Location", "Time zone", "Tags")


def seed_demo(world: World) -> bool:
    """Make the demo organization, all of it or nothing. Returns False when it is there already.

    What people changed or deleted in it stays changed: a second call touches nothing.
    """
    plan = tomllib.loads((DATA / "demo.toml").read_text(encoding="utf-8"))
    if organization_id(slug=plan["organization"]["slug"]):
        return False
    with transaction.atomic():
        owner = _owner(**plan["owner"])
        texts = {name: value.strip() for name, value in plan["organization"].items()}
        org = create_organization(owner=owner, is_sandbox=True, **texts)
        with org_context(org.pk):
            mailbox = _mailbox(org, plan["mailbox"])
            _campaign(org, owner, mailbox, plan["campaign"])
            # At any hour, and all of the list at once: the default of 20 actions an hour would stop half-way.
            control.update_config(org=org, by=owner, schedule_enabled=False, max_actions_per_hour=200)
            _leads(org, owner, world)
    return True


def leads_csv(world: World) -> bytes:
    """The people of the demo's list as a file that the import takes."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(LEAD_COLUMNS)
    for person in world.leads():
        company = world.company(person.company)
        writer.writerow(
            [
                person.name,
                person.email,
                company.name if company else "",
                person.title,
                company.website_url if company else "",
                person.linkedin_url,
                person.location,
                person.timezone,
                "demo",
            ]
        )
    return text.getvalue().encode()


def _owner(email: str, name: str) -> User:
    """Signs in by link only. On a developer's machine the demo's owner may open the admin console."""
    found = User.objects.filter(email=email).first()
    rights = {"is_staff": settings.IS_LOCAL, "is_superuser": settings.IS_LOCAL}
    return found or User.objects.create_user(email, name=name, **rights)


def _mailbox(org: Organization, plan: dict[str, Any]) -> Mailbox:
    mailbox = Mailbox(
        org=org,
        smtp_username=settings.SANDBOX["smtp_user"],
        smtp_security=Security.NONE,
        inbound_kind=InboundKind.MAILDIR,
        **{**plan, "signature": plan["signature"].strip()},
    )
    mailbox.write_secret("smtp_password", settings.SANDBOX["smtp_password"])
    mailbox.save()
    return mailbox


def _campaign(org: Organization, owner: User, mailbox: Mailbox, plan: dict[str, Any]) -> Campaign:
    fields = {name: value for name, value in plan.items() if name != "steps"}
    campaign = Campaign.objects.create(
        org=org,
        created_by=owner,
        offer=org.offer,
        status=CampaignStatus.ACTIVE,
        window_days=list(WEEKDAYS),
        window_start=time(0),
        window_end=time(23, 59, 59),
        **fields,
    )
    CampaignMailbox.objects.create(org=org, campaign=campaign, mailbox=mailbox)
    SequenceStep.objects.bulk_create(
        SequenceStep(org=org, campaign=campaign, **step) for step in plan["steps"]
    )
    return campaign


def _leads(org: Organization, owner: User, world: World) -> None:
    """Through the import, as a person would bring them."""
    uploaded = imports.upload(
        org=org, by=owner, file_name="autumn-leads.csv", file=io.BytesIO(leads_csv(world))
    )
    done = imports.start(lead_import=uploaded, mapping=uploaded.mapping, update_existing=True, by=owner)
    if done.created != len(world.leads()):
        raise RuntimeError(
            f"Only {done.created} of {len(world.leads())} demo leads were imported: {done.failure}"
        )
