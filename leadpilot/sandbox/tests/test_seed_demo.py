from io import StringIO

import pytest
from django.core.management import call_command
from django.test import override_settings

from agent.models import Agent, AgentConfig
from campaigns.models import Campaign, Mailbox
from leadpilot.orgs.models import Organization, Role, User
from leadpilot.orgs.services import organization_id
from leadpilot.orgs.tenancy import org_context
from leadpilot.sandbox.seeding import seed_demo
from leadpilot.sandbox.testing import running_sandbox
from leadpilot.sandbox.world import REFERENCE_DAY, load_world
from leads.models import Lead, LeadImport

pytestmark = pytest.mark.django_db
WORLD = load_world(REFERENCE_DAY)


@pytest.fixture
def demo(tmp_path):
    """The seeded organization, with its rows in sight."""
    assert seed_demo(WORLD)
    with org_context(organization_id(slug="demo")):
        yield Organization.objects.get()


def test_the_organization_has_what_a_mail_needs(demo):
    assert (demo.name, demo.slug, demo.is_sandbox) == ("Northbeam (demo)", "demo", True)
    assert demo.postal_address.startswith("Northbeam Ltd\n4 Harbour Walk")
    assert "routine questions" in demo.offer
    assert demo.voice
    assert demo.halted_at is None


def test_the_owner_signs_in_by_link_only(demo):
    user = User.objects.get(email="demo@leadpilot.example")
    assert demo.memberships.get(user=user).role == Role.OWNER
    assert not user.has_usable_password()


def test_everybody_on_the_list_is_a_lead_with_time_zone_and_site(demo):
    leads = {lead.email: lead for lead in Lead.objects.for_org(demo)}
    assert set(leads) == {person.email for person in WORLD.leads()}
    maren = leads["maren.dewit@brightwave.example"]
    assert (maren.name, maren.company, maren.title) == (
        "Maren de Wit",
        "Brightwave Freight Systems",
        "VP Operations",
    )
    assert maren.website_url == "http://brightwave.example/"
    assert maren.time_zone == "Europe/Amsterdam"
    assert maren.status == "new"
    assert "demo" in maren.tags


def test_the_leads_came_through_the_import_without_a_complaint(demo):
    done = LeadImport.objects.for_org(demo).get()
    assert (done.status, done.created, done.rejected, done.skipped) == ("completed", len(WORLD.leads()), 0, 0)
    assert done.created_by.email == "demo@leadpilot.example"


def test_leads_of_one_company_share_it(demo):
    people = Lead.objects.for_org(demo).filter(email__endswith="@brightwave.example")
    assert people.count() == 2
    assert {lead.company_profile.domain for lead in people} == {"brightwave.example"}


def test_two_leads_have_nothing_but_a_name_and_an_address(demo):
    bare = Lead.objects.for_org(demo).filter(website_url="", company="", linkedin_url="", title="")
    assert sorted(bare.values_list("email", flat=True)) == [
        "r.okafor@fernhill-post.example",
        "tom@hollis-partners.example",
    ]


def test_the_mailbox_speaks_to_the_sandbox(demo):
    mailbox = Mailbox.objects.for_org(demo).get()
    assert (mailbox.email, mailbox.smtp_host, mailbox.smtp_port) == (
        "alex@northbeam.example", "smtp.northbeam.example", 2525,
    )  # fmt: skip
    assert mailbox.inbound_kind == "maildir"
    assert mailbox.read_secret("smtp_password")
    with running_sandbox() as sandbox:
        assert mailbox.smtp_username == sandbox.user
        assert mailbox.read_secret("smtp_password") == sandbox.password


def test_the_campaign_is_active_with_the_five_steps_of_the_strategy(demo):
    campaign = Campaign.objects.for_org(demo).get()
    assert (campaign.name, campaign.status, campaign.approval_mode) == ("Autumn outreach", "active", "every")
    assert [(s.number, s.type, s.tone, s.personalization_depth, s.length) for s in campaign.steps.all()] == [
        (1, "introduction", "professional_friendly", "high", "short"),
        (2, "value_proposition", "consultative", "medium", "medium"),
        (3, "case_study", "educational", "medium", "medium"),
        (4, "soft_reminder", "casual", "low", "very_short"),
        (5, "breakup", "understanding", "low", "short"),
    ]
    assert [mailbox.email for mailbox in campaign.mailboxes.all()] == ["alex@northbeam.example"]


def test_the_window_is_open_at_any_hour_and_the_description_says_so(demo):
    campaign = Campaign.objects.for_org(demo).get()
    assert len(campaign.window_days) == 7
    assert campaign.window_start.isoformat() == "00:00:00"
    assert campaign.window_end.isoformat() >= "23:59"
    assert "open all day, every day" in campaign.description


def test_the_agent_waits_for_start_and_keeps_no_hours(demo):
    config = AgentConfig.objects.for_org(demo).get()
    assert not config.is_enabled
    assert not config.schedule_enabled
    assert config.max_actions_per_hour >= 100
    assert Agent.objects.for_org(demo).count() == 9
    assert config.require_approval_for == ["send_message", "book_meeting"]


def test_a_second_time_changes_nothing_and_brings_nothing_back(demo):
    Lead.objects.for_org(demo).filter(email="tom@hollis-partners.example").delete()
    Campaign.objects.for_org(demo).update(name="Mine")
    assert not seed_demo(WORLD)
    assert Lead.objects.for_org(demo).count() == len(WORLD.leads()) - 1
    assert Campaign.objects.for_org(demo).get().name == "Mine"
    assert Mailbox.objects.for_org(demo).count() == 1


def test_an_owner_who_exists_keeps_their_rights():
    User.objects.create_user("demo@leadpilot.example", "a-long-password")
    seed_demo(WORLD)
    user = User.objects.get(email="demo@leadpilot.example")
    assert user.has_usable_password()
    assert not user.is_staff


@override_settings(IS_LOCAL=False)
def test_on_a_public_machine_the_demo_owner_cannot_open_the_admin_console():
    seed_demo(WORLD)
    assert not User.objects.get(email="demo@leadpilot.example").is_staff


def test_a_failure_half_way_leaves_nothing(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("half way")

    monkeypatch.setattr("leadpilot.sandbox.seeding._leads", broken)
    with pytest.raises(RuntimeError, match="half way"):
        seed_demo(WORLD)
    assert organization_id(slug="demo") is None
    assert not User.objects.filter(email="demo@leadpilot.example").exists()


def run_command(**options) -> str:
    out = StringIO()
    call_command("seed_demo", stdout=out, **options)
    return out.getvalue()


def test_the_command_says_what_it_did(settings):
    settings.SANDBOX = {**settings.SANDBOX, "enabled": True}
    assert run_command() == "Made the demo organization.\n"
    assert run_command() == ""
    assert run_command(verbosity=2) == "The demo organization is there.\n"


def test_the_command_makes_nothing_when_the_sandbox_is_off(settings):
    settings.SANDBOX = {**settings.SANDBOX, "enabled": False}
    assert "LEADPILOT_SANDBOX" in run_command()
    assert organization_id(slug="demo") is None
