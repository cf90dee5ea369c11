"""A person may have a skipped or researched lead read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agent import engine
from agent.models import AgentConfig, AgentLog, AgentTask, TaskStatus, TaskType
from agent.services import control
from agent.services.research import research_again
from agent.services.why import next_obstacle
from agent.tests.test_handlers import HOME
from agent.tests.world import make_lead
from leadpilot.lib.errors import Conflict
from leadpilot.orgs.tenancy import org_context
from leadpilot.tests.servers import WebServer, web_server
from leads.models import Lead, LeadStatus

ROBOTS = "User-agent: *\nAllow: /\n"
LINKEDIN = "https://www.linkedin.com/in/ada"


@pytest.mark.django_db
class TestAsking:
    @pytest.mark.parametrize("status", [LeadStatus.SKIPPED, LeadStatus.RESEARCHED])
    def test_it_is_queued_before_what_the_agent_finds_and_written_down(
        self, in_org: Any, mia: Any, status: LeadStatus
    ) -> None:
        lead = make_lead(in_org, status=status, skip_reason="Too little.")
        task = research_again(lead=lead, by=mia)
        assert (task.task_type, task.lead_id, task.priority) == (TaskType.ENRICH_LEAD, lead.pk, 5)
        assert task.input_data == {"again": True, "was": status}
        line = AgentLog.objects.for_org(in_org).get(action_type="research_again")
        assert (line.actor, line.reasoning) == (mia, "Too little.")
        assert next_obstacle(lead).code == "queued"

    @pytest.mark.parametrize("status", [LeadStatus.NEW, LeadStatus.EMAILED, LeadStatus.UNSUBSCRIBED])
    def test_elsewhere_it_is_refused_by_name(self, in_org: Any, mia: Any, status: LeadStatus) -> None:
        with pytest.raises(Conflict, match="only skipped and researched"):
            research_again(lead=make_lead(in_org, status=status), by=mia)
        assert not AgentTask.objects.for_org(in_org).exists()

    def test_twice_is_once(self, in_org: Any, mia: Any) -> None:
        lead = make_lead(in_org, status=LeadStatus.SKIPPED)
        research_again(lead=lead, by=mia)
        with pytest.raises(Conflict, match="in the queue"):
            research_again(lead=lead, by=mia)
        assert AgentTask.objects.for_org(in_org).count() == 1


@pytest.mark.django_db
class TestView:
    @pytest.fixture
    def lead(self, org: Any) -> Lead:
        with org_context(org.pk):
            return make_lead(org, status=LeadStatus.SKIPPED, skip_reason="Not researched: the site was down.")

    def url(self, lead: Lead) -> str:
        return reverse("agent:research_again", args=[lead.pk])

    def test_the_page_says_why_it_was_skipped_and_offers_it(
        self, client_for: Callable[[Any], Client], mia: Any, bob: Any, lead: Lead
    ) -> None:
        page = reverse("leads:lead_detail", args=[lead.pk])
        text = client_for(mia).get(page).text
        assert "Not researched: the site was down." in text
        assert self.url(lead) in text
        assert self.url(lead) not in client_for(bob).get(page).text

    def test_pressing_queues_it_and_leads_back(
        self, client_for: Callable[[Any], Client], mia: Any, org: Any, lead: Lead
    ) -> None:
        client = client_for(mia)
        response = client.post(self.url(lead), follow=True)
        assert response.redirect_chain == [(reverse("leads:lead_detail", args=[lead.pk]), 302)]
        assert "is researched again as soon as the agent runs" in response.text
        assert "in the queue for research already" in client.post(self.url(lead), follow=True).text
        with org_context(org.pk):
            assert AgentTask.objects.for_org(org).get().lead_id == lead.pk

    def test_viewers_strangers_and_reading_change_nothing(
        self,
        client_for: Callable[[Any], Client],
        bob: Any,
        mia: Any,
        charlie: Any,
        other_org: Any,
        org: Any,
        lead: Lead,
    ) -> None:
        assert client_for(bob).post(self.url(lead)).status_code == 403
        assert client_for(charlie).post(self.url(lead)).status_code == 404
        assert client_for(mia).get(self.url(lead)).status_code == 405
        with org_context(org.pk):
            assert not AgentTask.objects.for_org(org).exists()


@pytest.mark.django_db(transaction=True)
class TestDoing:
    @pytest.fixture
    def started(self, org: Any, alice: Any) -> Any:
        with org_context(org.pk):
            control.start(org=org, by=alice)
            AgentConfig.objects.for_org(org).update(schedule_enabled=False)
        return org

    @pytest.fixture
    def site(self, settings: Any) -> Iterator[WebServer]:
        with web_server({"/robots.txt": ROBOTS}) as server:  # no page yet: the site is down
            settings.OUTBOUND_ALLOW = [server.place]
            yield server

    def do(self, org: Any, task: AgentTask, lead: Lead) -> Lead:
        engine.drain(org.pk, seconds=30)
        with org_context(org.pk):
            task.refresh_from_db()
            lead.refresh_from_db()
        assert task.status == TaskStatus.COMPLETED, task.error_message
        return lead

    def test_a_site_that_was_down_and_is_up_again_makes_the_skipped_lead_researched(
        self, started: Any, site: WebServer, alice: Any
    ) -> None:
        with org_context(started.pk):
            lead = make_lead(
                started, email="ada@gmail.com", website_url=f"http://{site.place}/", linkedin_url=""
            )
            task = engine.submit(org=started, task_type=TaskType.ENRICH_LEAD, lead=lead)
        lead = self.do(started, task, lead)
        assert lead.status == LeadStatus.SKIPPED
        assert "The web site could not be read: " in lead.skip_reason
        site.routes["/"] = HOME
        with org_context(started.pk):
            Lead.objects.for_org(started).update(linkedin_url=LINKEDIN, title="Chief Engineer")
            task = research_again(lead=lead, by=alice)
        lead = self.do(started, task, lead)
        assert (lead.status, lead.skip_reason) == (LeadStatus.RESEARCHED, "")

    def test_one_who_is_still_too_little_known_stays_skipped_with_the_new_reason(
        self, started: Any, alice: Any
    ) -> None:
        with org_context(started.pk):
            lead = make_lead(
                started, email="ada@gmail.com", company="", status=LeadStatus.SKIPPED, skip_reason="Old."
            )
            task = research_again(lead=lead, by=alice)
        lead = self.do(started, task, lead)
        assert lead.status == LeadStatus.SKIPPED
        assert "Too little to write honestly" in lead.skip_reason

    def test_when_it_fails_for_good_what_was_known_before_still_holds(self, started: Any, alice: Any) -> None:
        for status, after in (
            (LeadStatus.RESEARCHED, LeadStatus.RESEARCHED),
            (LeadStatus.SKIPPED, LeadStatus.SKIPPED),
        ):
            with org_context(started.pk):
                lead = make_lead(
                    started, f"{status.title()} Person", status=status, website_url="https://e.example/"
                )
                task = research_again(lead=lead, by=alice)
                broken = {**task.input_data, "depth": "bottomless"}
                AgentTask.objects.for_org(started).filter(pk=task.pk).update(input_data=broken, max_retries=1)
            engine.drain(started.pk)
            with org_context(started.pk):
                lead.refresh_from_db()
                task.refresh_from_db()
            assert task.status == TaskStatus.FAILED
            assert lead.status == after
            assert ("Not researched: KeyError" in lead.skip_reason) == (after == LeadStatus.SKIPPED)
