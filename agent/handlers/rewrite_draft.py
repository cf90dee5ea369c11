"""Write one draft again, as a person asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent import gate
from agent.engine import ClaimedTask, hold
from agent.handlers.common import may, row_of
from agent.llm import metered
from agent.models import Draft
from agent.services import drafts, rewriting
from agent.services.usage import record_usage
from agent.writers import brief_for, write_sequence

OVERTAKEN = "The mail was changed or decided meanwhile; it stays as it is."
RELATED = ("org", "lead__company_profile", "enrollment__campaign", "enrollment__mailbox", "enrollment__org")


def rewrite(task: ClaimedTask) -> dict[str, Any]:
    """The brief of that one step with the wish, the writer, and the draft's next version if it still waits."""
    wish, version = str(task.input_data.get("feedback", "")), int(task.input_data["version"])
    with hold(task):
        draft = _draft(task)
        if draft is None or draft.enrollment is None or draft.version != version:
            return {"skipped": OVERTAKEN}
        verdict = gate.propose(org=draft.org, action="write_sequence", lead=draft.lead, task=row_of(task))
        brief = brief_for(draft.enrollment, feedback=wish or f"Write it differently ({version + 1}).")
        brief = replace(brief, steps=tuple(s for s in brief.steps if s.number == draft.step_number))
    if not may(verdict):
        return {"skipped": " ".join(reason.text for reason in verdict.reasons)}
    if not brief.steps:
        return {"skipped": "Its step was taken out of the campaign."}
    with metered() as spent:
        written = write_sequence(brief)
    with hold(task):
        record_usage(org_id=task.org_id, lead_id=task.lead_id, spent=spent)
        done = rewriting.put_text(
            draft=draft, version=version, mail=written.mails[0], written=written, task=row_of(task)
        )
    return {"version": version + 1} if done else {"skipped": OVERTAKEN}


def _draft(task: ClaimedTask) -> Draft | None:
    rows = Draft.objects.for_org(task.org_id).select_related(*RELATED)
    found: Draft | None = rows.filter(pk=task.input_data["draft"], status__in=drafts.OPEN).first()
    return found
