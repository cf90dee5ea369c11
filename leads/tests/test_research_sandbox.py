"""Research of the sandbox's people: every layout, every quirk, over real HTTP and in a real browser."""

import time

import pytest

from agent.strategy import plan_research
from leadpilot.lib import browser
from leadpilot.orgs.tenancy import org_context
from leadpilot.sandbox.testing import running_sandbox
from leads.models import Fact, FactCategory, PageStatus
from leads.qualification import assess
from leads.research import recent
from leads.services import research
from leads.services.leads import create_lead

pytestmark = pytest.mark.django_db
NOTHING_KNOWN = {
    "beatrix@quillandco.example",
    "tom@hollis-partners.example",
    "r.okafor@fernhill-post.example",
}


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running
    browser.close()


@pytest.fixture
def look_up(org, sandbox):
    recent.forget()

    def run(email, depth="standard", **fields):
        person = sandbox.world().person(email)
        with org_context(org.pk):
            lead = create_lead(org=org, email=email, name=person.name, **fields)
            plan = plan_research(lead, depth)
        gathered = research.gather(org_id=org.pk, lead_id=lead.pk, plan=plan)
        research.store(org_id=org.pk, lead_id=lead.pk, gathered=gathered)
        with org_context(org.pk):
            lead.refresh_from_db()
        return lead, gathered

    return run


def statements(org, **owner):
    return {fact.statement for fact in Fact.objects.for_org(org).filter(**owner)}


def test_everybody_is_researched_in_time_and_honestly(org, sandbox, look_up):
    for person in sandbox.world().people:
        began = time.monotonic()
        lead, _ = look_up(person.email)
        assert time.monotonic() - began < 30, person.email
        with org_context(org.pk):
            lead.refresh_from_db()
            judged = assess(lead)
            assert judged.qualified is (person.email not in NOTHING_KNOWN), (person.email, judged.reason)
            assert lead.title in ("", person.title)
            assert lead.linkedin_url in ("", person.linkedin_url)
    with org_context(org.pk):
        facts = list(Fact.objects.for_org(org).select_related("page"))
        assert len(facts) > 100
        for fact in facts:
            assert fact.quote in fact.page.text
            assert "attacker" not in fact.statement
            assert "attacker" not in fact.page.text
            assert not {" we ", " our ", " us "} & {
                f" {word} " for word in fact.statement.split("“")[0].split()
            }


def test_a_script_only_site_is_read_in_the_browser(org, look_up):
    if browser.find_browser() is None:
        pytest.skip("no Chromium on this machine")
    lead, gathered = look_up("ingrid.solheim@atelier-nordlys.example")
    assert all(page.rendered for page in gathered.pages if page.ok)
    with org_context(org.pk):
        lead.refresh_from_db()
        assert lead.title == "Partner"
        assert any("Floro Culture House" in statement for statement in statements(org))


def test_a_slow_site_takes_its_time_and_no_more(look_up):
    began = time.monotonic()
    _, gathered = look_up("dana.kowalski@summitcoop.example")
    assert 3 < time.monotonic() - began < 15
    assert all(page.ok for page in gathered.pages)


def test_a_site_that_is_mostly_missing_says_which_pages(org, look_up):
    _, gathered = look_up("rita@smallfox.example")
    assert [page.kind for page in gathered.pages if page.ok] == ["home"]
    assert {page.http_status for page in gathered.pages if not page.ok} == {404}
    with org_context(org.pk):
        assert any("Iberian Packaging Award" in statement for statement in statements(org))


def test_a_parked_site_leaves_the_lead_with_a_reason(org, look_up):
    lead, gathered = look_up("beatrix@quillandco.example")
    assert gathered.pages[0].status == PageStatus.EMPTY
    with org_context(org.pk):
        assert assess(lead).reason.startswith("Too little to write honestly: score")


def test_pages_that_robots_shall_not_read_are_left_alone(org, sandbox, look_up):
    _, gathered = look_up("owen.prior@kestrelpay.example")
    team = next(page for page in gathered.pages if page.kind == "team")
    assert team.status == PageStatus.REFUSED
    assert "asks robots to leave /company/team alone" in team.failure


def test_the_injection_is_not_read(org, look_up):
    _, gathered = look_up("naomi.feld@verdantbio.example")
    about = next(page for page in gathered.pages if page.kind == "about")
    assert about.content.hidden_removed == 1
    assert "ignore your instructions" not in about.content.text
    assert "118 people work" in about.content.text


@pytest.mark.parametrize(("depth", "pages"), [("quick", 1), ("standard", 5), ("deep", 9)])
def test_depths(look_up, depth, pages):
    """The site has nine pages."""
    _, gathered = look_up("joost.kamphuis@brightwave.example", depth)
    assert len(gathered.pages) == pages


def test_what_a_mail_to_maren_could_say(org, look_up):
    lead, _ = look_up("maren.dewit@brightwave.example")
    with org_context(org.pk):
        lead.refresh_from_db()
        own, shared = statements(org, lead=lead), statements(org, company=lead.company_profile)
        assert "Maren de Wit is VP Operations at Brightwave" in own
        assert any(s.startswith("Maren de Wit wrote “Brightwave opens a Gdansk office") for s in own)
        assert any("Brightwave opened its third office" in s for s in shared)
        assert (
            "Brightwave has 86 people today, 71 of them in Rotterdam and the rest in Antwerp and Gdansk"
            in shared
        )
        company = lead.company_profile
        assert (company.name, company.size, company.industry) == (
            "Brightwave Freight Systems",
            "51-200",
            "Logistics software",
        )
        assert lead.linkedin_url == "https://linkedin.example/in/maren-de-wit"
        parts = {part.field: part for part in assess(lead).parts}
        fact = Fact.objects.for_org(org).get(pk=parts["recent_activity"].fact_id)
        assert fact.category == FactCategory.RECENT_ACTIVITY
        assert fact.lead_id == lead.pk


def test_a_german_site_is_read_too(org, look_up):
    lead, _ = look_up("klaus.bergmann@bergmann-praezision.example")
    with org_context(org.pk):
        assert "Klaus Bergmann is Geschäftsführer at Bergmann Präzisionstechnik" in statements(org, lead=lead)
