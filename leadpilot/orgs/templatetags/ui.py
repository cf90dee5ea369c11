"""What every template uses: icons, status badges, relative times, the navigation. Loaded as a builtin."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django import template
from django.forms import BoundField
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

from leadpilot.lib import clock
from leadpilot.orgs import navigation, tones
from leadpilot.orgs.models import Membership
from leadpilot.orgs.tenancy import user_context

register = template.Library()


@register.simple_tag
def icon(name: str, size: int = 16, label: str = "") -> SafeString:
    """An inline SVG of lucide; hidden from screen readers unless `label` names it. Unknown names raise."""
    return _icon(str(name), int(size), str(label))


@lru_cache(maxsize=512)
def _icon(name: str, size: int, label: str) -> SafeString:
    sized = {} if size == 16 else {"class": f"icon icon-{size}"}
    attributes = {"role": "img", "aria-label": escape(label)} if label else {"aria-hidden": "true"}
    svg = lucide(name, size=size, **{"class": "icon", **sized, **attributes, "focusable": "false"})
    return mark_safe(svg)  # noqa: S308 - made by lucide from its own files; the label is escaped


@register.filter
def humanize_code(value: object) -> str:
    """`out_of_office` → "Out of office"."""
    words = re.sub(r"[_\-.]+", " ", str(value or "")).strip()
    return words[:1].upper() + words[1:]


@register.filter
def initials(value: object) -> str:
    """At most two letters for an avatar; "?" for nobody."""
    words = re.findall(r"[^\W\d_]+", str(value or "").split("@")[0])
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [word[0] for word in words]
    return "".join(letters).upper() or "?"


@register.filter
def tone(value: object) -> str:
    """The tone of a status: accent, info, success, warning, danger, or "" for neutral."""
    return tones.TONES.get(str(value), "")


@register.simple_tag
def status_badge(value: object, label: object = "") -> SafeString:
    """A coloured dot and a word for any status of ours; nothing for an empty value."""
    if value in ("", None):
        return mark_safe("")
    code = str(value)
    word = str(label or tones.LABELS.get(code) or getattr(value, "label", "") or humanize_code(code))
    modifier = f" badge-{tone(code)}" if tone(code) else ""
    return format_html('<span class="badge{}"><span>{}</span></span>', modifier, word)


@register.simple_tag
def relative_time(moment: datetime | None, empty: str = "never") -> SafeString:
    """A `<time>` such as "5 min ago" or "in 2 h", with the full local time on hover."""
    if moment is None:
        return format_html('<span class="muted">{}</span>', empty)
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    full = f"{local:%a} {local.day} {local:%b %Y, %H:%M} {local.tzname() or ''}".strip()
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), full, _words(moment, local)
    )


def _words(moment: datetime, local: datetime) -> str:
    now = clock.now() if timezone.is_aware(moment) else clock.now().replace(tzinfo=None)
    ahead = moment > now
    distance = abs(moment - now)
    if distance < timedelta(seconds=45):
        return "in a moment" if ahead else "just now"
    if distance < timedelta(days=7):
        amount = _amount(distance)
        return f"in {amount}" if ahead else f"{amount} ago"
    year = "" if local.year == now.year else f" {local.year}"
    return f"{local.day} {local:%b}{year}"


def _amount(distance: timedelta) -> str:
    minutes = round(distance.total_seconds() / 60)
    if minutes < 60:
        return f"{max(1, minutes)} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 24 else f"{round(hours / 24)} d"


@register.filter
def field_kind(field: BoundField) -> str:
    """How `components/field.html` lays a field out: `check`, `checks` or `input`."""
    if field.widget_type == "checkbox":
        return "check"
    return "checks" if field.widget_type in ("checkboxselectmultiple", "radioselect") else "input"


@register.filter
def lookup(mapping: Any, key: object) -> Any:
    """`counts|lookup:"inbox"`: what a mapping has under a key known only here, else None."""
    try:
        return mapping[key]
    except (KeyError, TypeError):
        return None


@register.simple_tag(takes_context=True)
def nav_links(context: Context) -> list[navigation.Link]:
    """The navigation of this page; entries whose page does not exist are left out."""
    return navigation.links(context.get("request"))


@register.simple_tag(takes_context=True)
def agent_now(context: Context) -> dict[str, Any]:
    """What the agent is doing, for a page's first answer; the status bar refreshes it."""
    return navigation.agent_status(context.get("request"))


@register.inclusion_tag("components/nav_item.html", takes_context=True)
def nav_item(context: Context, link: navigation.Link, place: str = "nav") -> dict[str, Any]:
    """One entry in the side bar (`nav`), the phone's dock (`dock`) or its drawer (`sheet`)."""
    counter = link.entry.counter
    count = lookup(context.get("counts"), counter) if counter else None
    return {"link": link, "entry": link.entry, "place": place, "count": count}


@register.simple_tag
def my_memberships(user: Any) -> list[Membership]:
    """The organizations a user may switch to."""
    if not getattr(user, "is_authenticated", False):
        return []
    with user_context(user.pk):
        return list(Membership.objects.filter(user=user).select_related("org").order_by("org__name"))


@register.simple_tag
def url_or_empty(name: str, *args: Any) -> str:
    """The address of a page of an app above, or "" where that app has none."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
