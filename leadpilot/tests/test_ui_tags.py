"""The template tags that every page uses."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import lucide
import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.db import models
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from leadpilot.lib import clock
from leadpilot.orgs import navigation, tones
from leadpilot.orgs.templatetags import ui

TEMPLATES = Path(settings.BASE_DIR) / "templates"


class Mood(models.TextChoices):
    FIRM = "firm", "Quite firm"


def render(source: str, **context: object) -> str:
    return Template(source).render(Context(context)).strip()


# icons


def test_an_icon_is_hidden_from_screen_readers():
    svg = render('{% icon "check" %}')
    assert svg.startswith("<svg")
    assert 'aria-hidden="true"' in svg
    assert 'width="16"' in svg


def test_an_icon_with_a_label_has_a_name():
    svg = render('{% icon "x" label="Close" %}')
    assert 'role="img"' in svg
    assert 'aria-label="Close"' in svg
    assert "aria-hidden" not in svg


def test_an_icon_keeps_its_size():
    assert 'width="20"' in render('{% icon "mail" size=20 %}')


def test_an_icon_label_cannot_carry_markup():
    assert "<script" not in ui.icon("x", label='"><script>alert(1)</script>')


def test_an_unknown_icon_raises():
    with pytest.raises(lucide.IconDoesNotExist):
        ui.icon("no-such-icon")


def test_every_icon_named_in_a_template_exists():
    named = {
        name
        for path in TEMPLATES.rglob("*.html")
        for name in re.findall(r'(?:\{% icon |\bicon=)"([a-z0-9-]+)"', path.read_text())
    }
    assert len(named) > 20
    for name in named:
        assert ui.icon(name)


# badges


def test_a_badge_has_a_colour_and_a_word():
    assert render("{% status_badge 'running' %}") == (
        '<span class="badge badge-accent"><span>Running</span></span>'
    )


def test_a_badge_can_be_given_its_word():
    assert "Researching" in render("{% status_badge 'running' 'Researching' %}")


def test_a_badge_uses_the_label_of_an_enum():
    assert ">Quite firm<" in ui.status_badge(Mood.FIRM)


def test_a_badge_says_our_word_for_a_gate_outcome():
    assert ">Needs approval<" in ui.status_badge("ask")


def test_an_unknown_status_is_neutral_and_readable():
    assert ui.status_badge("some_new-state") == '<span class="badge"><span>Some new state</span></span>'


def test_no_status_no_badge():
    assert ui.status_badge("") == ""
    assert ui.status_badge(None) == ""


def test_a_badge_escapes_its_word():
    assert "<b>" not in ui.status_badge("x", "<b>bold</b>")


def test_no_status_has_two_tones():
    listed = [value for values in tones._BY_TONE.values() for value in values.split()]
    assert len(set(listed)) == len(listed)


def test_every_status_of_a_model_has_a_considered_tone():
    # A choice that nobody thought of would be grey: acceptable for kinds, not for statuses.
    missing = {
        f"{model.__name__}.{value}"
        for label in ("leads", "campaigns", "agent")
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.fields
        if field.name == "status" and field.choices
        for value, _ in field.flatchoices
        if value not in tones.TONES
    }
    assert missing == set()


# words


@pytest.mark.parametrize(
    ("code", "words"),
    [("out_of_office", "Out of office"), ("", ""), (None, ""), ("a.b-c", "A b c"), ("SMTP", "SMTP")],
)
def test_codes_become_words(code, words):
    assert ui.humanize_code(code) == words


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Lovelace", "AL"),
        ("Cher", "C"),
        ("", "?"),
        (None, "?"),
        ("ada.lovelace@acme.example", "AL"),
        ("李小龍", "李"),
        ("42", "?"),
        ("Jean Luc de la Tour", "JT"),
    ],
)
def test_initials_are_at_most_two_letters(name, letters):
    assert ui.initials(name) == letters


# times


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (timedelta(seconds=-10), "just now"),
        (timedelta(seconds=20), "in a moment"),
        (timedelta(minutes=-5), "5 min ago"),
        (timedelta(minutes=-59, seconds=-50), "1 h ago"),
        (timedelta(hours=2), "in 2 h"),
        (timedelta(hours=-23, minutes=-50), "1 d ago"),
        (timedelta(days=-3), "3 d ago"),
    ],
)
def test_times_are_told_relative_to_now(shift, words):
    with_room = timedelta(milliseconds=500) if shift > timedelta() else timedelta()
    assert f">{words}</time>" in ui.relative_time(clock.now() + shift + with_room)


def test_a_time_long_ago_is_a_date_with_its_year():
    html = ui.relative_time(datetime(2019, 3, 4, 15, 5, tzinfo=ZoneInfo("UTC")))
    assert ">4 Mar 2019</time>" in html


def test_the_full_time_is_told_in_the_local_zone():
    moment = datetime(2026, 1, 5, 12, 0, tzinfo=ZoneInfo("UTC"))
    with timezone.override("Europe/Amsterdam"):
        html = ui.relative_time(moment)
    assert 'title="Mon 5 Jan 2026, 13:00 CET"' in html
    assert 'datetime="2026-01-05T12:00:00+00:00"' in html


def test_no_time_is_never():
    assert "never" in ui.relative_time(None)
    assert "not yet" in ui.relative_time(None, empty="not yet")


def test_relative_times_follow_the_travelling_clock():
    moment = clock.now()
    with clock.travel(timedelta(hours=3)):
        assert ">3 h ago<" in ui.relative_time(moment)


# forms


class Sample(forms.Form):
    name = forms.CharField(help_text="Only you see it.")
    days = forms.MultipleChoiceField(choices=[("0", "Mon")], widget=forms.CheckboxSelectMultiple)
    on = forms.BooleanField(required=False)
    secret = forms.CharField(widget=forms.HiddenInput, required=False)


def field(name: str, **extra: object) -> str:
    form = Sample({}) if extra.pop("bound", False) else Sample()
    flags = " ".join(f"{key}={value}" for key, value in extra.items())
    source = '{% include "components/field.html" with field=field ' + flags + " only %}"
    return render(source, field=form[name])


def test_a_field_has_a_label_a_hint_and_says_that_it_is_required():
    html = field("name")
    assert '<label class="field-label" for="id_name">' in html
    assert "required" in html
    assert 'id="id_name_helptext"' in html
    assert 'aria-describedby="id_name_helptext"' in html


def test_a_wrong_field_names_its_error():
    html = field("name", bound=True)
    assert "has-error" in html
    assert 'aria-invalid="true"' in html
    assert 'id="id_name_error"' in html
    assert "This field is required." in html


def test_several_checkboxes_are_a_group_with_a_legend():
    html = field("days", pills=True)
    assert "<fieldset" in html
    assert "<legend" in html
    assert "checks-pills" in html


def test_a_checkbox_stands_before_its_label_or_is_a_switch():
    assert 'class="check"' in field("on")
    assert 'class="toggle"' in field("on", toggle=True)


def test_a_hidden_field_has_no_label():
    assert "<label" not in field("secret")


# navigation


def test_the_current_entry_is_the_one_with_the_longest_matching_address():
    request = RequestFactory().get("/settings/members/1/role/")
    current = [link.entry.key for link in navigation.links(request) if link.current]
    assert current == ["settings"]


def test_no_entry_is_current_on_a_page_that_belongs_to_none():
    request = RequestFactory().get("/accounts/email/")
    assert not [link for link in navigation.links(request) if link.current]


def test_each_entry_leads_to_a_page_and_has_its_own_key():
    links = navigation.links(None)
    assert {link.entry.key for link in links} == {entry.key for entry in navigation.ENTRIES}
    keys = [entry.go for entry in navigation.ENTRIES if entry.go]
    assert len(set(keys)) == len(keys)


def test_a_counter_of_zero_shows_nothing():
    link = next(link for link in navigation.links(None) if link.entry.key == "settings")
    entry = navigation.Entry("inbox", "Inbox", "inbox", "orgs:settings", counter="inbox")
    counted = navigation.Link(entry, link.url, current=True)
    source = "{% nav_item link %}"
    assert ">4</span>" in render(source, link=counted, counts={"inbox": 4})
    assert ">0</span>" not in render(source, link=counted, counts={"inbox": 0})
    assert 'aria-current="page"' in render(source, link=counted, counts={})


def test_a_page_that_does_not_exist_has_no_address():
    assert ui.url_or_empty("nowhere:at_all") == ""
    assert ui.url_or_empty("orgs:settings") == "/settings/"


def test_lookup_forgives_what_is_missing():
    assert ui.lookup({"a": 1}, "a") == 1
    assert ui.lookup({}, "a") is None
    assert ui.lookup(None, "a") is None


def test_nothing_is_said_about_the_agent_to_strangers():
    assert navigation.agent_status(None) == {}
    assert navigation.agent_status(RequestFactory().get("/")) == {}


# components


def test_a_mail_shows_what_each_sentence_rests_on_in_words():
    paragraphs = [
        [
            {"text": "You opened a plant.", "support": "supported", "refs": [1]},
            {"text": "It costs you days.", "support": "unsupported"},
            {"text": "Shall we talk? <b>", "support": ""},
        ]
    ]
    html = render(
        '{% include "components/mail_preview.html" with subject="S" recipient=r paragraphs=p only %}',
        p=paragraphs,
        r="Ada <ada@acme.example>",
    )
    assert 'href="#evidence-1"' in html
    assert "Supported by evidence 1" in html
    assert "not supported" in html
    assert "Shall we talk? &lt;b&gt;" in html
    assert "Ada &lt;ada@acme.example&gt;" in html


def test_a_why_shows_each_check_with_its_outcome():
    trace = [{"label": "Window", "outcome": "defer", "text": "It is Saturday."}]
    html = render(
        '{% include "components/why.html" with outcome="defer" summary="Waits" trace=trace only %}',
        trace=trace,
    )
    assert html.count("Waits") == 3
    assert "It is Saturday." in html


def test_a_why_without_a_trace_says_so():
    html = render('{% include "components/why.html" with summary="Nothing" only %}')
    assert "No check was recorded." in html


def test_a_stat_tile_is_a_link_only_when_it_leads_somewhere():
    with_link = render('{% include "components/stat_tile.html" with label="Sent" value=3 href="/x/" only %}')
    assert with_link.splitlines()[-1] == "</a>"
    assert "<a" not in render('{% include "components/stat_tile.html" with label="Sent" value=3 only %}')


def test_a_stat_tile_shows_a_zero():
    assert ">0<" in render('{% include "components/stat_tile.html" with label="Sent" value=0 only %}')


def test_evidence_opens_its_source_without_telling_where_from():
    html = render(
        '{% include "components/evidence.html" with number=2 quote=q url="https://acme.example/" only %}',
        q="<i>x",
    )
    assert 'id="evidence-2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "&lt;i&gt;x" in html


def test_components_begin_with_what_they_show_and_what_they_need():
    for path in (TEMPLATES / "components").glob("*.html"):
        first, second = path.read_text().splitlines()[:2]
        assert first.startswith("{# "), path.name
        assert second.startswith("{# Context: "), path.name


def test_no_template_has_inline_script_or_style():
    forbidden = re.compile(
        r"""<style|\sstyle=["']|\son(?:click|change|submit|load|input)=["']|javascript:""", re.I
    )
    for path in TEMPLATES.rglob("*.html"):
        assert not forbidden.search(path.read_text()), path
        for script in re.findall(r"<script([^>]*)>", path.read_text()):
            assert "src=" in script or 'type="application/json"' in script, path


@pytest.mark.django_db
def test_every_form_that_posts_carries_its_token(org, alice, client_for):
    navigation_before = navigation._status_provider
    navigation.register_agent_status(lambda request: {"running": True, "state": "idle", "can_control": True})
    try:
        html = client_for(alice).get("/settings/").content.decode()
    finally:
        navigation._status_provider = navigation_before
    forms_that_post = re.findall(r"<form[^>]*method=\"post\".*?</form>", html, re.S)
    assert len(forms_that_post) >= 2
    assert all('name="csrfmiddlewaretoken" value="' in form for form in forms_that_post)
