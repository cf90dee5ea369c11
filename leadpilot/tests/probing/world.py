"""Two furnished organizations: at least one row in every tenant table, and a word that must never cross over."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps

from agent.models import Agent, AgentLog, AgentTask, Decision, Draft
from agent.services import control
from agent.tests import world as agents
from campaigns.models import InboundMessage, Mailbox, Message, MessageEvent, Quota, SendAttempt, Thread
from campaigns.rendering import content_hash
from campaigns.services.unsubscribe import make_token
from leadpilot.lib import clock
from leadpilot.ops.models import SentCheck
from leadpilot.orgs.models import Membership, Notification, Organization, User
from leadpilot.orgs.services import create_organization, issue_sign_in_link, record, use_sign_in_link
from leadpilot.orgs.tenancy import org_context
from leads.models import ApiUsage, Company, Fact, ImportProblem, Lead, LeadResearch, Note, Page, Suppression
from leads.services import imports


@dataclass
class Furnished:
    """An organization, its owner, the word in all its texts, and one id of each kind of row."""

    org: Organization
    owner: User
    word: str
    ids: dict[str, Any] = field(default_factory=dict)


def tenant_models() -> list[type[Any]]:
    """Every model whose rows name an organization, and the organization itself."""
    named = [m for m in apps.get_models() if any(f.column == "org_id" for f in m._meta.local_fields)]
    return [Organization, *named]


def furnish(word: str) -> Furnished:
    """Make an organization of this name with rows of every kind; each text has the word in it."""
    owner = User.objects.create_user(f"owner@{word}.example", None, name=f"Olga {word.title()}")
    org = create_organization(
        name=f"{word.title()} Works", slug=word, owner=owner, postal_address=f"1 {word} Street", offer=word
    )
    world = Furnished(org, owner, word, {"org": org.pk})
    with org_context(org.pk):
        made = {**_leads(world), **_campaigns(world)}
        made |= _mail(world, made)
        made |= _agent(world, made)
        made["membership"] = Membership.objects.get(org=org, user=owner)
        made["notification"] = Notification.objects.create(org=org, type="error", title=word)
        made["audit"] = record(org=org, actor=owner, action="probe.made", message=word, subject=made["lead"])
    world.ids |= {kind: row.pk for kind, row in made.items()}
    world.ids |= {"word": word, "domain": f"{word}.example", "user": owner.pk, **_tokens(world)}
    world.ids["draft_version"] = f"{world.ids['draft']}:1"
    return world


def _tokens(world: Furnished) -> dict[str, str]:
    """A sign-in link that is used up, and an opt-out link whose signature is not ours."""
    spent = issue_sign_in_link(user=world.owner)
    use_sign_in_link(token=spent)
    link = make_token(org_id=world.org.pk, lead_id=world.ids["lead"], message_id=world.ids["unknown"])
    return {"spent_link": spent, "forged_link": link[:-1] + ("A" if link[-1] != "A" else "B")}


def _leads(world: Furnished) -> dict[str, Any]:
    org, word = world.org, world.word
    table = f"name,email,note\nIda {word},ida@{word}.example,{word}\n,broken,\n"
    file = imports.upload(org=org, by=world.owner, file_name=f"{word}.csv", file=io.BytesIO(table.encode()))
    company = Company.objects.create(org=org, domain=f"{word}.example", name=f"{word} Ltd")
    lead = Lead.objects.create(
        org=org,
        name=f"Ada {word.title()}",
        email=f"ada@{word}.example",
        company=f"{word} Ltd",
        phone=f"+49 40 {len(word)}55501",
        tags=[word],
        company_profile=company,
        lead_import=file,
        owner=world.owner,
    )
    free = Lead.objects.create(org=org, name=f"Bea {word.title()}", email=f"bea@{word}.example", score=60)
    page = Page.objects.create(
        org=org,
        company=company,
        lead=lead,
        url=f"https://{word}.example/",
        title=word,
        text=f"A {word} came.",
    )
    return {
        "import": file,
        "problem": ImportProblem.objects.create(
            org=org, lead_import=file, outcome="rejected", row=2, field="email", message=word
        ),
        "company": company,
        "lead": lead,
        "free_lead": free,
        "note": Note.objects.create(org=org, lead=lead, author=world.owner, text=word),
        "page": page,
        "fact": Fact.objects.create(
            org=org,
            page=page,
            company=company,
            lead=lead,
            category="company_info",
            statement=f"They keep a {word}.",
            quote=f"A {word} came.",
            source_url=page.url,
        ),
        "research": LeadResearch.objects.create(org=org, lead=lead, tool_used="manual", research_notes=word),
        "usage": ApiUsage.objects.create(org=org, service=word, lead=lead),
        "suppression": Suppression.objects.create(
            org=org, value=f"gone@{word}.example", reason="manual", origin=word
        ),
    }


def _campaigns(world: Furnished) -> dict[str, Any]:
    campaign = agents.make_campaign(world.org, name=f"Campaign {world.word}", goal=world.word)
    link = campaign.pool.get()
    Mailbox.objects.filter(pk=link.mailbox_id).update(email=f"alice@{world.word}.example")
    return {
        "campaign": campaign,
        "pool": link,
        "mailbox": Mailbox.objects.get(pk=link.mailbox_id),
        "step": campaign.steps.first(),
    }


def _mail(world: Furnished, made: dict[str, Any]) -> dict[str, Any]:
    org, word, lead, mailbox = world.org, world.word, made["lead"], made["mailbox"]
    enrollment = agents.make_enrollment(org, lead, made["campaign"])
    thread = Thread.objects.create(
        org=org, lead=lead, mailbox=mailbox, campaign=made["campaign"], subject=f"Re: {word}", unread=True
    )
    inbound = InboundMessage.objects.create(
        org=org,
        lead=lead,
        mailbox=mailbox,
        thread=thread,
        source_key=f"test:{word}",
        from_email=lead.email,
        subject=f"Re: {word}",
        body_text=f"Tell me of the {word}.",
        new_text=f"Tell me of the {word}.",
        body_html=f"<p>{word}</p>",
    )
    common = {"org": org, "lead": lead, "mailbox": mailbox, "campaign": made["campaign"], "body": word}
    common |= {
        "to_email": lead.email,
        "from_email": mailbox.email,
        "subject": word,
        "approved_hash": "0" * 64,
    }
    held = Message.objects.create(
        **common, enrollment=enrollment, message_id=f"<1@{word}.example>", email_sequence=1
    )
    unknown = Message.objects.create(
        **common, message_id=f"<2@{word}.example>", status="unknown", raw=b"From: a", thread=thread
    )
    return {
        "sent_check": SentCheck.objects.create(
            org=org, mailbox=mailbox, status="compared", backup_at=clock.now()
        ),
        "enrollment": enrollment,
        "inbound": inbound,
        "thread": thread,
        "message": held,
        "unknown": unknown,
        "attempt": SendAttempt.objects.create(
            org=org, message=unknown, number=1, lease_owner=word, answer=word, outcome="unknown"
        ),
        "event": MessageEvent.objects.create(org=org, message=held, kind="approved", dedupe_key=word),
        "quota": Quota.objects.create(org=org, scope=f"mailbox:{mailbox.pk}", period=str(clock.now().date())),
    }


def _agent(world: Furnished, made: dict[str, Any]) -> dict[str, Any]:
    org, word = world.org, world.word
    config = control.config_for(org)
    crew = Agent.objects.for_org(org).first()
    text = {"subject": f"Subject {word}", "body": f"Hello {word}."}
    approved = content_hash(from_email=made["mailbox"].email, to_email=made["lead"].email, **text)
    draft = agents.make_draft(
        made["enrollment"],
        step=2,
        subject=text["subject"],
        message_body=text["body"],
        content_hash=approved,
    )
    answer = Draft.objects.create(
        org=org,
        lead=made["lead"],
        in_reply_to=made["inbound"],
        status="pending_approval",
        subject=text["subject"],
        message_body=text["body"],
        content_hash=approved,
    )
    task = AgentTask.objects.create(org=org, task_type="enrich_lead", lead=made["free_lead"], agent=crew)
    known = {"org": org, "lead": made["lead"]}
    return {
        "config": config,
        "agent": crew,
        "draft": draft,
        "answer": answer,
        "task": task,
        "waiting_task": AgentTask.objects.create(
            org=org, task_type="enrich_lead", lead=made["free_lead"], status="awaiting_approval"
        ),
        "failed_task": AgentTask.objects.create(
            org=org, task_type="enrich_lead", lead=made["free_lead"], status="failed", error_message=word
        ),
        "log": AgentLog.objects.create(**known, log_type="action", message=f"Did {word}", task=task),
        "decision": Decision.objects.create(**known, action="send_message", outcome="ask", draft=draft),
    }
