"""The first gate: what it allows, to whom, and what it writes down."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connections

from agent import checks, gate, limits, schedule
from agent.models import AgentConfig, AgentTask, Decision, Draft, DraftStatus
from agent.services import control
from agent.tests.world import make_campaign, make_draft, make_enrollment, make_inbound, make_lead
from campaigns.models import Quota
from campaigns.models.campaign import ApprovalMode
from leadpilot.lib import clock
from leadpilot.lib import verdict as verdicts
from leadpilot.lib.verdict import Outcome, Verdict
from leadpilot.orgs import services as orgs
from leadpilot.orgs.tenancy import org_context
from leads.models import LeadStatus, SuppressionReason
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db


@pytest.fixture
def running(in_org: Any, alice: Any) -> Any:
    """The organization with its agent running around the clock."""
    control.start(org=in_org, by=alice)
    configure(in_org, schedule_enabled=False, require_approval_for=[])
    return in_org


def configure(org: Any, **fields: Any) -> None:
    AgentConfig.objects.for_org(org).update(**fields)


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def test_it_allows_what_nothing_forbids_and_keeps_the_whole_trace(running: Any) -> None:
    lead = make_lead(running)
    verdict = gate.propose(org=running, action="research_lead", lead=lead, situation={"why": "new"})
    assert verdict.allowed
    decision = Decision.objects.for_org(running).get()
    assert (decision.outcome, decision.lead_id, decision.action) == ("allow", lead.pk, "research_lead")
    assert decision.situation["why"] == "new"
    assert decision.situation["lead_status"] == "new"
    assert {r["code"] for r in decision.reasons} >= {
        "not_halted",
        "agent_runs",
        "schedule",
        "lead_open",
        "limits",
    }
    assert all(r["outcome"] == "allow" for r in decision.reasons)


def test_it_knows_its_actions(running: Any) -> None:
    with pytest.raises(ValueError, match="is not an action"):
        gate.propose(org=running, action="sell_house")


def test_the_kill_switch_binds_the_agent_and_people(running: Any, alice: Any) -> None:
    orgs.halt(org=running, by=alice)
    stale = make_lead(running)
    for actor in (None, alice):
        verdict = gate.propose(org=running, action="research_lead", lead=stale, actor=actor)
        assert verdict.outcome is Outcome.DENY
        assert codes(verdict) == ["halted"]


def test_an_agent_that_is_not_running_does_nothing_by_itself(in_org: Any, alice: Any) -> None:
    lead = make_lead(in_org)
    assert codes(gate.propose(org=in_org, action="enroll_lead", lead=lead))[0] == "agent_stopped"
    assert gate.propose(org=in_org, action="enroll_lead", lead=lead, actor=alice).allowed


def test_outside_its_hours_it_waits_for_the_next_opening(running: Any) -> None:
    configure(running, schedule_enabled=True, schedule_timezone="America/New_York")
    lead = make_lead(running)
    with at(datetime(2026, 11, 21, 12, tzinfo=UTC)):  # a Saturday
        verdict = gate.propose(org=running, action="enroll_lead", lead=lead)
    assert verdict.outcome is Outcome.DEFER
    assert verdict.until == datetime(2026, 11, 23, 14, tzinfo=UTC)
    assert Decision.objects.for_org(running).get().until == verdict.until
    with at(verdict.until):
        assert gate.propose(org=running, action="enroll_lead", lead=lead).allowed


def test_a_person_keeps_no_hours(running: Any, alice: Any) -> None:
    configure(running, schedule_enabled=True, schedule_days=[])
    lead = make_lead(running)
    assert gate.propose(org=running, action="enroll_lead", lead=lead, actor=alice).allowed
    assert gate.propose(org=running, action="enroll_lead", lead=lead).outcome is Outcome.DEFER


def test_a_lead_is_counted_once_a_day(running: Any) -> None:
    configure(running, max_leads_per_day=1)
    first, second = make_lead(running), make_lead(running, "Charles Babbage")
    assert gate.propose(org=running, action="research_lead", lead=first).allowed
    assert gate.propose(org=running, action="research_lead", lead=first).allowed
    refused = gate.propose(org=running, action="research_lead", lead=second)
    assert refused.outcome is Outcome.DEFER
    assert codes(refused) == ["leads_per_day"]
    with clock.travel(timedelta(days=1)):
        assert gate.propose(org=running, action="research_lead", lead=second).allowed


def test_a_full_limit_takes_no_place_of_the_others(running: Any) -> None:
    configure(running, max_leads_per_day=5, max_actions_per_hour=0)
    with at(datetime(2026, 11, 23, 10, 30, tzinfo=UTC)):
        refused = gate.propose(org=running, action="research_lead", lead=make_lead(running))
    assert codes(refused) == ["actions_per_hour"]
    assert refused.until == datetime(2026, 11, 23, 11, tzinfo=UTC)
    assert not Quota.objects.for_org(running).filter(used__gt=0).exists()


def test_what_is_refused_for_another_reason_takes_no_place(running: Any) -> None:
    gate.propose(org=running, action="research_lead", lead=make_lead(running, status=LeadStatus.BOUNCED))
    assert not Quota.objects.for_org(running).exists()


def test_research_is_limited_by_the_minute(running: Any, settings: Any) -> None:
    settings.MAX_RESEARCH_PER_MINUTE = 1
    with at(datetime(2026, 11, 23, 10, 30, 20, tzinfo=UTC)):
        assert gate.propose(org=running, action="research_lead", lead=make_lead(running)).allowed
        second = gate.propose(org=running, action="research_lead", lead=make_lead(running, "Charles Babbage"))
    assert second.until == datetime(2026, 11, 23, 10, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("action", "outcome"), [("send_message", Outcome.ASK), ("respond_to_reply", Outcome.ESCALATE)]
)
def test_below_the_minimum_confidence_a_person_looks(
    running: Any, action: str, outcome: Outcome, alice: Any
) -> None:
    lead = make_lead(running)
    assert gate.propose(org=running, action=action, lead=lead, confidence=0.59).outcome is outcome
    assert gate.propose(org=running, action=action, lead=lead, confidence=0.6).allowed
    assert gate.propose(org=running, action=action, lead=lead, confidence=0.1, actor=alice).allowed


@pytest.mark.parametrize(
    ("setting", "action"),
    [
        ("send_message", "send_message"),
        ("send_message", "respond_to_reply"),
        ("respond_to_reply", "respond_to_reply"),
        ("enrich_lead", "research_lead"),
        ("research_lead", "research_lead"),
        ("generate_sequence", "write_sequence"),
        ("book_meeting", "book_meeting"),
    ],
)
def test_the_settings_say_what_a_person_approves(running: Any, alice: Any, setting: str, action: str) -> None:
    configure(running, require_approval_for=[setting])
    lead = make_lead(running)
    verdict = gate.propose(org=running, action=action, lead=lead)
    assert verdict.outcome is Outcome.ASK
    assert codes(verdict) == ["approval_required"]
    assert gate.propose(org=running, action=action, lead=lead, actor=alice).allowed


def test_an_approved_task_is_not_asked_about_again(running: Any, alice: Any) -> None:
    configure(running, require_approval_for=["research_lead"])
    lead = make_lead(running)
    task = AgentTask.objects.create(org=running, task_type="enrich_lead", lead=lead, approved_by=alice)
    assert gate.propose(org=running, action="research_lead", lead=lead, task=task).allowed


def test_a_campaign_may_want_every_mail_approved(running: Any) -> None:
    enrollment = make_enrollment(running)
    draft = make_draft(enrollment, status=DraftStatus.DRAFT)
    assert codes(gate.propose(org=running, action="send_message", draft=draft)) == ["campaign_approval"]
    enrollment.campaign.approval_mode = draft.campaign.approval_mode = ApprovalMode.AUTOMATIC
    assert gate.propose(org=running, action="send_message", draft=draft).allowed


def test_a_claim_without_evidence_is_shown_to_a_person(running: Any, alice: Any) -> None:
    campaign = make_campaign(running, approval_mode=ApprovalMode.AUTOMATIC)
    draft = make_draft(make_enrollment(running, campaign=campaign), has_unsupported=True)
    verdict = gate.propose(org=running, action="send_message", draft=draft)
    assert (verdict.outcome, codes(verdict)) == (Outcome.ASK, ["unsupported_claim"])
    assert gate.propose(org=running, action="send_message", draft=draft, actor=alice).allowed


@pytest.mark.parametrize("status", [LeadStatus.UNSUBSCRIBED, LeadStatus.BOUNCED, LeadStatus.ARCHIVED])
def test_closed_leads_are_left_alone_whoever_asks(running: Any, alice: Any, status: str) -> None:
    lead = make_lead(running, status=status)
    for actor in (None, alice):
        verdict = gate.propose(org=running, action="send_message", lead=lead, actor=actor)
        assert (verdict.outcome, codes(verdict)) == (Outcome.DENY, ["lead_closed"])


@pytest.mark.parametrize("value", ["ada@engines.example", "engines.example"])
def test_suppressed_addresses_are_left_alone_whoever_asks(running: Any, alice: Any, value: str) -> None:
    lead = make_lead(running)
    suppress(org=running, value=value, reason=SuppressionReason.MANUAL)
    for actor in (None, alice):
        verdict = gate.propose(org=running, action="send_message", lead=lead, actor=actor)
        assert (verdict.outcome, codes(verdict)) == (Outcome.DENY, ["suppressed"])


def test_the_strictest_outcome_wins_and_every_obstacle_is_kept(running: Any) -> None:
    configure(running, require_approval_for=["send_message"], schedule_enabled=True, schedule_days=[])
    lead = make_lead(running, status=LeadStatus.ARCHIVED)
    verdict = gate.propose(org=running, action="send_message", lead=lead, confidence=0.1)
    assert verdict.outcome is Outcome.DENY
    assert codes(verdict) == ["lead_closed"]
    kept = [r["code"] for r in Decision.objects.for_org(running).get().reasons if r["outcome"] != "allow"]
    assert kept == ["schedule", "confidence", "approval_required", "lead_closed"]


class TestAnswers:
    """`respond_to_reply`."""

    def draft(self, org: Any, **inbound: Any) -> Draft:
        enrollment = make_enrollment(org, campaign=make_campaign(org, approval_mode=ApprovalMode.AUTOMATIC))
        found = make_inbound(enrollment.lead, enrollment.mailbox, **{"classification": "question", **inbound})
        return Draft.objects.create(
            org=org, lead=enrollment.lead, in_reply_to=found, message_body="Yes.", subject="Re"
        )

    @pytest.mark.parametrize(
        ("kind", "setting", "outcome"),
        [
            ("question", True, Outcome.ALLOW),
            ("question", False, Outcome.ASK),
            ("interested", True, Outcome.ALLOW),
            ("interested", False, Outcome.ASK),
            ("objection", True, Outcome.ASK),
        ],
    )
    def test_the_settings_say_which_it_sends_itself(
        self, running: Any, kind: str, setting: bool, outcome: Outcome
    ) -> None:
        configure(running, auto_respond_to_questions=setting, auto_respond_to_positive=setting)
        draft = self.draft(running, classification=kind)
        assert gate.propose(org=running, action="respond_to_reply", draft=draft).outcome is outcome

    def test_robots_are_never_answered(self, running: Any, alice: Any) -> None:
        draft = self.draft(running, is_automatic=True)
        for actor in (None, alice):
            verdict = gate.propose(org=running, action="respond_to_reply", draft=draft, actor=actor)
            assert (verdict.outcome, codes(verdict)) == (Outcome.DENY, ["automatic_reply"])

    def test_a_thread_gets_one_automatic_answer_a_day(self, running: Any, alice: Any) -> None:
        first = self.draft(running)
        Draft.objects.for_org(running).update(status=DraftStatus.APPROVED, approved_at=clock.now())
        again = make_inbound(
            first.lead, first.in_reply_to.mailbox, classification="question", source_key="again"
        )
        second = Draft.objects.create(
            org=running, lead=first.lead, in_reply_to=again, message_body="Yes.", subject="Re"
        )
        verdict = gate.propose(org=running, action="respond_to_reply", draft=second)
        assert (verdict.outcome, codes(verdict)) == (Outcome.ESCALATE, ["loop"])
        assert gate.propose(org=running, action="respond_to_reply", draft=second, actor=alice).allowed
        with clock.travel(timedelta(days=1, minutes=1)):
            assert gate.propose(org=running, action="respond_to_reply", draft=second).allowed

    def test_the_days_messages_are_looked_at(self, running: Any) -> None:
        configure(running, max_messages_per_day=0)
        verdict = gate.propose(org=running, action="respond_to_reply", draft=self.draft(running))
        assert (verdict.outcome, codes(verdict)) == (Outcome.DEFER, ["messages_per_day"])


def test_rules_may_add_checks(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "_CHECKS", list(gate._CHECKS))

    def rule(proposal: gate.Proposal) -> Verdict | None:
        competitor = proposal.lead and proposal.lead.company == "Analytical Engines"
        return verdicts.deny("rule", "Competitors are skipped.") if competitor else None

    gate.register_check(rule)
    gate.register_check(rule)
    assert gate._CHECKS.count(rule) == 1
    assert codes(gate.propose(org=running, action="enroll_lead", lead=make_lead(running))) == ["rule"]


def test_every_check_is_registered_once() -> None:
    assert [check for check in gate._CHECKS if check in checks.ALL] == list(checks.ALL)


def test_each_look_reads_the_database_anew(running: Any, alice: Any) -> None:
    """A stale organization object does not let anything through."""
    stale = type(running).objects.get(pk=running.pk)
    orgs.halt(org=running, by=alice)
    assert stale.halted_at is None
    assert not gate.propose(org=stale, action="enroll_lead", lead=make_lead(running)).allowed


@pytest.mark.django_db(transaction=True)
def test_the_days_leads_are_exact_under_concurrency(org: Any, alice: Any) -> None:
    with org_context(org.pk):
        control.start(org=org, by=alice)
        configure(org, schedule_enabled=False, max_leads_per_day=7, max_actions_per_hour=100)
        leads = [make_lead(org, f"Lead{n} Example") for n in range(24)]
    allowed: list[Any] = []
    pending = iter(leads)
    guard = threading.Lock()

    def ask() -> None:
        while True:
            with guard:
                lead = next(pending, None)
            if lead is None:
                break
            with org_context(org.pk):
                if gate.propose(org=org, action="research_lead", lead=lead).allowed:
                    allowed.append(lead.pk)
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 7
    with org_context(org.pk):
        assert Decision.objects.for_org(org).count() == 24
        assert limits.leads_per_day(org, AgentConfig.objects.get(org=org), clock.now()).used(org.pk) == 7


class TestSchedule:
    """Seed 002's isWithinSchedule, without its faults."""

    def config(self, **fields: Any) -> AgentConfig:
        return AgentConfig(**{"schedule_days": ["monday"], "schedule_timezone": "UTC", **fields})

    @pytest.mark.parametrize(
        ("moment", "is_open"),
        [
            ("2026-11-23T08:59:59", False),
            ("2026-11-23T09:00:00", True),
            ("2026-11-23T16:59:59", True),
            ("2026-11-23T17:00:00", False),
            ("2026-11-24T12:00:00", False),
        ],
    )
    def test_the_end_is_outside(self, moment: str, is_open: bool) -> None:
        assert schedule.is_open(self.config(), utc(moment)) is is_open

    def test_the_weekday_is_that_of_the_schedules_zone(self) -> None:
        config = self.config(schedule_timezone="Pacific/Auckland")
        assert schedule.is_open(config, utc("2026-11-22T21:00:00"))  # Monday morning there, Sunday here
        assert not schedule.is_open(config, utc("2026-11-23T21:00:00"))

    @pytest.mark.parametrize(
        ("moment", "is_open"),
        [
            ("2026-11-23T21:59:00", False),
            ("2026-11-23T22:00:00", True),
            ("2026-11-24T05:59:00", True),
            ("2026-11-24T06:00:00", False),
            ("2026-11-23T05:00:00", False),
        ],
    )
    def test_hours_may_go_over_midnight(self, moment: str, is_open: bool) -> None:
        night = self.config(schedule_start_time=time(22), schedule_end_time=time(6))
        assert schedule.is_open(night, utc(moment)) is is_open

    def test_equal_hours_are_the_whole_day(self) -> None:
        config = self.config(schedule_start_time=time(0), schedule_end_time=time(0))
        assert schedule.is_open(config, utc("2026-11-23T23:59:59"))
        assert schedule.opens_at(config, utc("2026-11-24T00:00:00")) == utc("2026-11-30T00:00:00")

    def test_switched_off_it_is_always_open(self) -> None:
        config = self.config(schedule_enabled=False, schedule_days=[])
        assert schedule.is_open(config, utc("2026-11-22T03:00:00"))
        assert schedule.opens_at(config, utc("2026-11-22T03:00:00")) == utc("2026-11-22T03:00:00")

    def test_without_days_it_never_opens(self) -> None:
        assert schedule.opens_at(self.config(schedule_days=[]), utc("2026-11-22T03:00:00")) is None


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(moment: datetime) -> Any:
    return clock.travel(moment - clock.now())


def test_what_concerns_no_lead_asks_for_none(running: Any, alice: Any) -> None:
    verdict = gate.propose(org=running, action="write_sequence", actor=alice)
    assert verdict.outcome is Outcome.ALLOW
    codes = [reason["code"] for reason in Decision.objects.for_org(running).get().reasons]
    assert "lead_open" not in codes
    assert "not_halted" in codes
