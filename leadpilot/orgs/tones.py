"""Which colour a status has. The word always stands beside it; a value not listed is shown neutral."""

ACCENT, INFO, SUCCESS, WARNING, DANGER, NEUTRAL = "accent", "info", "success", "warning", "danger", ""

_BY_TONE = {
    # under way
    ACCENT: "researching running sending claimed processing active_now started uploading writing",
    # a fact worth knowing, nothing to do
    INFO: "emailed sent scheduled researched question referral wrong_person approved defer deferred imported",
    SUCCESS: "active completed replied meeting interested allow ok healthy connected booked done passed pass"
    " hot positive supported high",
    # waits for a person, or could become a problem
    WARNING: "pending_approval awaiting_approval waiting_approval ask unknown out_of_office objection held"
    " paused stale degraded warm unverified temporary unsupported warning medium unconfigured auto_reply",
    DANGER: "failed error bounced bounce unsubscribed unsubscribe refused rejected deny escalate angry"
    " halted complained suppressed sign_in_again disconnected broken permanent critical",
    NEUTRAL: "new draft queued pending idle skipped archived cancelled withdrawn stopped expired"
    " not_interested other cold neutral negative low empty uploaded not_sent erased manual none",
}

TONES: dict[str, str] = {value: tone for tone, values in _BY_TONE.items() for value in values.split()}

# Where our code's word is not the one for people.
LABELS = {
    "allow": "Allowed",
    "deny": "Refused",
    "defer": "Waits",
    "ask": "Needs approval",
    "escalate": "Needs a person",
    "pending_approval": "Waiting for approval",
    "ok": "OK",
    "auto_reply": "Automatic reply",
}
