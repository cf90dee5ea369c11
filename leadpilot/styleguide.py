"""Every component with realistic and with ugly content, on one page. Mounted in debug only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from leadpilot.lib import clock
from leadpilot.orgs import tones
from leadpilot.orgs.access import public

LONG_NAME = "Wilhelmina-Alexandrina van der Schoonenbeek-Tschernyschewskaja de la Fuente y Albuquerque"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


class SampleForm(forms.Form):
    """One field of each kind."""

    name = forms.CharField(max_length=80, help_text="Only you see it.")
    email = forms.EmailField(label="Address for replies")
    offer = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    mode = forms.ChoiceField(
        choices=[("every", "Approve every mail"), ("automatic", "Send what the gate allows")]
    )
    opens = forms.TimeField(widget=forms.TimeInput(attrs={"type": "time"}), label="Sending starts at")
    days = forms.MultipleChoiceField(
        choices=[(str(n), day) for n, day in enumerate(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])],
        widget=forms.CheckboxSelectMultiple,
        help_text="In the lead's own time zone.",
    )
    sources = forms.MultipleChoiceField(
        choices=[("web", "Their web site"), ("news", "News"), ("search", "A search engine")],
        widget=forms.CheckboxSelectMultiple,
    )
    book = forms.BooleanField(
        required=False, label="Book meetings by itself", help_text="Only in free hours of your calendar."
    )
    notify = forms.BooleanField(required=False, label="Tell me by mail")


def _mail() -> list[list[dict[str, Any]]]:
    return [
        [{"text": "Hi Ada,"}],
        [
            {
                "text": "you opened your third plant in Rotterdam in September.",
                "support": "supported",
                "refs": [1],
            },
            {
                "text": "You are hiring six planners for it, and the advert says they “own the spreadsheet”.",
                "support": "supported",
                "refs": [1, 2],
            },
            {"text": "That usually costs a plant two days a week.", "support": "unsupported"},
        ],
        [
            {
                "text": "We replace that spreadsheet. Would a 15-minute look on Tuesday be of use?",
                "support": "",
            }
        ],
        [{"text": "Alex"}],
    ]


def _trace() -> list[dict[str, str]]:
    return [
        {"label": "Kill switch", "outcome": "allow", "text": "Sending is on."},
        {
            "label": "Suppression list",
            "outcome": "allow",
            "text": "ada@acme.example and acme.example are not on it.",
        },
        {
            "label": "A reply since",
            "outcome": "allow",
            "text": "No message of Ada Lovelace since 19 Nov, 09:12.",
        },
        {
            "label": "Sending window",
            "outcome": "defer",
            "text": "It is Saturday in Amsterdam; the window opens on Monday at 09:00.",
        },
        {"label": "Daily cap", "outcome": "allow", "text": "alex@northbeam.example sent 14 of 40 today."},
        {
            "label": "Confidence",
            "outcome": "ask",
            "text": f"0.58 is below 0.70, so a person decides. {LONG_WORD}",
        },
    ]


def _leads() -> list[dict[str, Any]]:
    people = [
        ("Ada Lovelace", "Acme Logistics", "VP Operations", "replied", 91),
        ("Grace Hopper", "Compile & Sons", "CTO", "researching", None),
        ("Katherine Johnson", "Trajectory", "Head of Planning", "emailed", 74),
        (LONG_NAME, LONG_WORD, "Senior Executive Vice President of Everything Else and More", "skipped", 12),
        ("李小龍", "株式会社 漢字", "代表取締役", "unsubscribed", 55),
    ]
    return [
        {
            "name": name,
            "company": company,
            "title": title,
            "status": status,
            "score": score,
            "at": clock.now(),
        }
        for name, company, title, status, score in people
    ]


def _samples() -> dict[str, Any]:
    now = clock.now()
    return {
        "statuses": tones.TONES,
        "tone_names": ["", "accent", "info", "success", "warning", "danger"],
        "leads": _leads(),
        "page": Paginator(range(1204), 50).page(2),
        "form": SampleForm({"mode": "automatic", "days": ["0", "1", "2"], "book": "on", "name": "Northbeam"}),
        "clean_form": SampleForm(initial={"days": ["0", "1", "2", "3", "4"], "book": True}, prefix="clean"),
        "sender": "Alex Morgan <alex@northbeam.example>",
        "recipient": "Ada Lovelace <ada@acme.example>",
        "paragraphs": _mail(),
        "trace": _trace(),
        "parts": [
            {
                "label": "Fits the profile",
                "value": 34,
                "max": 40,
                "reason": "Logistics, 400 people, the Netherlands",
            },
            {
                "label": "Reason to write now",
                "value": 27,
                "max": 30,
                "reason": "New plant, six open positions",
            },
            {"label": "Role", "value": 15, "max": 20, "reason": "VP Operations decides"},
            {
                "label": "What we know",
                "value": 6,
                "max": 10,
                "reason": "Two pages read, one quote a week old",
            },
        ],
        "diff": [
            {"op": " ", "text": "Hi Ada,"},
            {"op": "-", "text": "I hope this email finds you well!!! " + LONG_WORD},
            {"op": "+", "text": "you opened your third plant in Rotterdam in September."},
        ],
        "long_name": LONG_NAME,
        "long_word": LONG_WORD,
        "long_url": "https://www.acme.example/" + "/".join(["a-very-long-path"] * 9) + "?utm_source=none",
        "minutes_ago": now - timedelta(minutes=7),
        "hours_ahead": now + timedelta(hours=5),
        "months_ago": now - timedelta(days=120),
    }


@public
@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    """The page itself."""
    return render(request, "styleguide.html", _samples())
