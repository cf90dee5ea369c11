"""Which route may be called by whom, how, and where ids go in. A route that is not in here fails the build.

`path`, `query` and `form` say which kind of row (`world.Furnished.ids`) a parameter names: "pk" and a kind in the
path, `name:kind` (or a name that is its own kind) in query and form.
"""

from __future__ import annotations

from dataclasses import dataclass

READ, WRITE, BOTH = ("GET",), ("POST",), ("GET", "POST")


@dataclass(frozen=True)
class Rule:
    """`role` is the least that may call it, or "public" or "signed_in"; every other method gets 405."""

    role: str
    methods: tuple[str, ...]
    path: str = ""
    query: str = ""
    form: str = ""
    answer: int = 404  # to an id that is not there

    def named(self, where: str) -> dict[str, str]:
        """{parameter: kind of row} of the query or the form."""
        pairs = (item.partition(":") for item in getattr(self, where).split())
        return {name: kind or name for name, _, kind in pairs}


_QUEUE = "campaign agent lead"
_INBOX = "mailbox campaign"

OURS: dict[str, Rule] = {
    "agent:today": Rule("viewer", READ),
    "agent:approval_list": Rule("viewer", READ, query=_QUEUE),
    "agent:approval_bulk": Rule("member", WRITE, query=_QUEUE, form="ids:draft_version"),
    "agent:approval_detail": Rule("viewer", READ, "draft", query=_QUEUE),
    "agent:approval_edit": Rule("member", BOTH, "draft", query=_QUEUE),
    "agent:approval_approve": Rule("member", WRITE, "draft", query=_QUEUE),
    "agent:approval_reject": Rule("member", WRITE, "draft", query=_QUEUE),
    "agent:approval_rewrite": Rule("member", WRITE, "draft", query=_QUEUE),
    "agent:approval_undo": Rule("member", WRITE, "draft"),
    "agent:answer_panel": Rule("viewer", READ, "thread"),
    "agent:answer_write": Rule("member", WRITE, "inbound"),
    "agent:answer_approve": Rule("member", WRITE, "answer"),
    "agent:answer_edit": Rule("member", WRITE, "answer"),
    "agent:answer_reject": Rule("member", WRITE, "answer"),
    "agent:answer_undo": Rule("member", WRITE, "answer"),
    "agent:control_center": Rule("viewer", BOTH),
    "agent:activity": Rule("viewer", READ),
    "agent:activity_export": Rule("admin", READ),
    "agent:task_list": Rule("viewer", READ, query="q:word"),
    "agent:task_bulk": Rule("member", WRITE, form="ids:waiting_task"),
    "agent:task_approve": Rule("member", WRITE, "waiting_task"),
    "agent:task_reject": Rule("member", WRITE, "waiting_task"),
    "agent:task_cancel": Rule("member", WRITE, "task"),
    "agent:task_retry": Rule("member", WRITE, "failed_task"),
    "agent:status_bar": Rule("viewer", READ),
    "agent:start": Rule("member", WRITE),
    "agent:stop": Rule("member", WRITE),
    "agent:score_weights": Rule("admin", WRITE),
    "agent:research_again": Rule("member", WRITE, "lead"),
    "agent:lead_why": Rule("viewer", READ, "lead"),
    "campaigns:unsubscribe": Rule("public", ("GET", "HEAD", "POST"), "forged_link"),
    "campaigns:inbox": Rule("viewer", READ, query=_INBOX),
    "campaigns:thread": Rule("viewer", READ, "thread", query=_INBOX),
    "campaigns:thread_state": Rule("member", WRITE, "thread"),
    "campaigns:thread_assign": Rule("member", WRITE, "thread", form="to:user"),
    "campaigns:thread_unread": Rule("member", WRITE, "thread"),
    "campaigns:thread_snooze": Rule("member", WRITE, "thread"),
    "campaigns:inbound_classify": Rule("member", WRITE, "inbound", query=_INBOX),
    "campaigns:inbound_html": Rule("viewer", READ, "inbound"),
    "campaigns:campaign_list": Rule("viewer", READ),
    "campaigns:campaign_create": Rule("member", BOTH, form="pool:mailbox"),
    "campaigns:message_list": Rule("viewer", READ, query=_INBOX),
    "campaigns:message_settle": Rule("member", WRITE, "unknown"),
    "campaigns:message_cancel": Rule("member", WRITE, "message"),
    "campaigns:step_edit": Rule("member", BOTH, "step", form="campaign"),
    "campaigns:step_add": Rule("member", WRITE, "campaign"),
    "campaigns:step_remove": Rule("member", WRITE, "campaign"),
    "campaigns:lead_sequence": Rule("viewer", READ, "lead"),
    "campaigns:campaign_detail": Rule("viewer", READ, "campaign"),
    "campaigns:campaign_edit": Rule("member", BOTH, "campaign", form="pool:mailbox"),
    "campaigns:enroll": Rule("member", WRITE, "campaign", form="lead:free_lead"),
    "campaigns:mailbox_list": Rule("viewer", READ),
    "campaigns:mailbox_create": Rule("admin", BOTH),
    "campaigns:mailbox_edit": Rule("admin", BOTH, "mailbox"),
    "campaigns:mailbox_test": Rule("admin", WRITE, "mailbox"),
    "campaigns:mailbox_delete": Rule("admin", WRITE, "mailbox"),
    "campaigns:campaign_activate": Rule("member", WRITE, "campaign"),
    "campaigns:campaign_pause": Rule("member", WRITE, "campaign"),
    "campaigns:campaign_archive": Rule("member", WRITE, "campaign"),
    "campaigns:enrollment_pause": Rule("member", WRITE, "enrollment"),
    "campaigns:enrollment_resume": Rule("member", WRITE, "enrollment"),
    "campaigns:enrollment_remove": Rule("member", WRITE, "enrollment"),
    "campaigns:mailbox_pause": Rule("admin", WRITE, "mailbox"),
    "campaigns:mailbox_resume": Rule("admin", WRITE, "mailbox"),
    "leads:lead_list": Rule("viewer", READ, query="lead_import:import company:domain tag:word q:word"),
    "leads:lead_create": Rule("member", BOTH),
    "leads:import_create": Rule("member", BOTH),
    "leads:import_detail": Rule("viewer", READ, "import"),
    "leads:import_preview": Rule("member", WRITE, "import"),
    "leads:import_reading": Rule("member", WRITE, "import"),
    "leads:import_start": Rule("member", WRITE, "import"),
    "leads:import_problems": Rule("viewer", READ, "import"),
    "leads:suppression_list": Rule("viewer", READ, query="q:word"),
    "leads:suppression_add": Rule("member", WRITE),
    "leads:suppression_lift": Rule("admin", WRITE, "suppression"),
    "leads:page_detail": Rule("viewer", READ, "page", query="fact"),
    "leads:lead_detail": Rule("viewer", READ, "lead"),
    "leads:lead_edit": Rule("member", BOTH, "lead"),
    "leads:lead_archive": Rule("member", WRITE, "lead"),
    "leads:note_create": Rule("member", WRITE, "lead"),
    "orgs:welcome": Rule("signed_in", BOTH),
    "orgs:landing": Rule("signed_in", READ),
    "orgs:switch": Rule("signed_in", WRITE, "org"),
    "orgs:settings": Rule("viewer", BOTH),
    "orgs:note_read": Rule("member", WRITE, "notification"),
    "orgs:notes_read": Rule("member", WRITE),
    "orgs:member_add": Rule("admin", WRITE),
    "orgs:member_link": Rule("admin", WRITE, "membership"),
    "orgs:member_remove": Rule("owner", WRITE, "membership"),
    "orgs:member_role": Rule("owner", WRITE, "membership"),
    "enter": Rule("public", READ, "spent_link", answer=302),
    "healthz": Rule("public", ("GET", "HEAD")),
    "readyz": Rule("public", ("GET", "HEAD")),
    "ops:sent_check_list": Rule("viewer", READ),
    "ops:sent_check_release": Rule("admin", WRITE, "sent_check"),
    "metrics": Rule("public", ("GET", "HEAD")),
}
