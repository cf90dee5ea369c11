"""What each setting of the agent may be. Every refusal names the field, the value and the way out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email

from agent.models import AgentConfig, TaskType
from campaigns.windows import WEEKDAYS
from leadpilot.lib.errors import DomainError
from leads.qualification import FIELD_WEIGHTS

NUMBERS = {  # least and most
    "max_leads_per_day": (0, 10_000),
    "max_messages_per_day": (0, 10_000),
    "max_actions_per_hour": (0, 10_000),
    "temperature": (0.0, 2.0),
    "minimum_confidence": (0.0, 1.0),
    "score_threshold": (0, 100),
}
SWITCHES = (
    "schedule_enabled",
    "auto_respond_to_positive",
    "auto_respond_to_questions",
    "auto_book_meetings",
    "notify_on_positive_reply",
    "notify_on_meeting_booked",
    "notify_on_error",
)
TEXTS = {"name": 100, "llm_provider": 40, "llm_model": 80}
SECRETS = ("notify_slack_webhook",)  # encrypted, and never shown again
APPROVABLE = ("research_lead", "write_sequence", "enroll_lead", *TaskType.values)


def clean(config: AgentConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The given settings in their own types. Raises DomainError, or TypeError for a name that is no setting."""
    cleaned = {name: _one(name, value) for name, value in fields.items()}
    enabled = cleaned.get("schedule_enabled", config.schedule_enabled)
    if enabled and not cleaned.get("schedule_days", config.schedule_days):
        raise DomainError(
            "schedule_days: none is chosen, so the agent would never work; choose a day, or turn the schedule off.",
            field="schedule_days",
        )
    return cleaned


def _one(name: str, value: Any) -> Any:
    if name in NUMBERS:
        return _number(name, value)
    if name in SWITCHES:
        return _switch(name, value)
    if name in TEXTS:
        return _text(name, value)
    if name in _OTHERS:
        return _OTHERS[name](name, value)
    raise TypeError(f"The agent has no setting {name}.")


def _refuse(name: str, value: Any, way_out: str) -> DomainError:
    return DomainError(f"{name}: “{str(value)[:80]}” cannot be used; {way_out}.", field=name)


def _number(name: str, value: Any) -> float | int:
    least, most = NUMBERS[name]
    whole = isinstance(most, int)
    try:
        number = int(str(value)) if whole else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not least <= number <= most:
        kind = "a whole number" if whole else "a number"
        raise _refuse(name, value, f"give {kind} from {least} to {most}")
    return number


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _refuse(name, value, "say yes or no")


def _text(name: str, value: Any) -> str:
    text = " ".join(str(value).split())
    if len(text) > TEXTS[name] or (name == "name" and not text):
        raise _refuse(name, value, f"give 1 to {TEXTS[name]} characters")
    return text


def _zone(name: str, value: Any) -> str:
    if str(value) not in available_timezones():
        raise _refuse(name, value, "choose a time zone such as Europe/Berlin")
    return ZoneInfo(str(value)).key


def _time(name: str, value: Any) -> time:
    try:
        return value if isinstance(value, time) else time.fromisoformat(str(value))
    except ValueError:
        raise _refuse(name, value, "give a time such as 09:00") from None


def _choices(*known: str) -> Any:
    def check(name: str, value: Any) -> list[str]:
        chosen = [value] if isinstance(value, str) else list(value)
        for each in chosen:
            if each not in known:
                raise _refuse(name, each, f"choose from {', '.join(known)}")
        return [each for each in known if each in chosen]

    return check


def _email(name: str, value: Any) -> str:
    text = str(value).strip()
    try:
        if text:
            validate_email(text)
    except ValidationError:
        raise _refuse(name, value, "give an address such as ada@acme.com, or nothing") from None
    return text


def _webhook(name: str, value: Any) -> str:
    text = str(value).strip()
    try:
        if text:
            URLValidator(schemes=["https"])(text)
    except ValidationError:
        raise _refuse(
            name, "what you typed", "give an address that begins with https://, or nothing"
        ) from None
    return text


def _weights(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise _refuse(name, value, "give a weight for each field")
    for field, weight in value.items():
        if field not in FIELD_WEIGHTS:
            raise _refuse(name, field, f"choose from {', '.join(FIELD_WEIGHTS)}")
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not 0 <= weight <= 100:
            raise _refuse(name, f"{field}: {weight}", "give each field a weight from 0 to 100")
    return {str(field): weight for field, weight in value.items()}


_OTHERS = {
    "schedule_timezone": _zone,
    "schedule_days": _choices(*WEEKDAYS),
    "schedule_start_time": _time,
    "schedule_end_time": _time,
    "require_approval_for": _choices(*APPROVABLE),
    "notify_email": _email,
    "notify_slack_webhook": _webhook,
    "score_weights": _weights,
}
