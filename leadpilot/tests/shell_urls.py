"""The project's addresses, the style guide, and pages that answer as badly as a test asks."""

from itertools import count

from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path

from leadpilot import styleguide
from leadpilot.orgs.access import public, signed_in
from leadpilot.urls import handler404, handler500  # noqa: F401
from leadpilot.urls import urlpatterns as project

PAGE = """{% extends "base.html" %}{% block heading %}Trial{% endblock %}{% block content %}
<form class="form" method="post" action="/trial/422/" hx-post="/trial/422/" hx-target="#answer" id="f422">{% csrf_token %}
  <label for="note">Note</label><textarea id="note" name="note"></textarea>
  <button class="btn btn-primary">Send</button></form>
<form method="post" action="/trial/private/" hx-post="/trial/private/" hx-target="#answer">
  {% csrf_token %}<button class="btn">Private</button></form>
<form method="post" action="/trial/private/" id="plain">{% csrf_token %}<button class="btn">Plain</button></form>
<button class="btn" hx-post="/trial/500/">Break</button>
<button class="btn" hx-post="/trial/toast/">Toast</button>
<button class="btn" hx-get="/trial/modal/" hx-target="#modal">Modal</button>
<button class="btn" hx-post="/trial/count/" hx-target="#answer" data-confirm="Really count?"
  data-confirm-ok="Count">Ask first</button>
<div id="answer"></div>
{% if part %}<div id="part" hx-get="/trial/500/" hx-trigger="load">…</div>{% endif %}
{% if live %}
<div id="live-same" data-live hx-get="/trial/same/" hx-trigger="every 150ms" hx-swap="innerHTML show:none"></div>
<div id="live-new" data-live hx-get="/trial/new/" hx-trigger="every 150ms" hx-swap="innerHTML show:none"></div>
{% endif %}
{% endblock %}"""

_turn = count(1)


@public
def trial(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(PAGE).render(RequestContext(request, dict.fromkeys(request.GET, True))))


@public
def refuse(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p id='problem'>Too short: {len(request.POST['note'])}</p>", status=422)


@signed_in
def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>secret</p>")


@public
def broken(request: HttpRequest) -> HttpResponse:
    return HttpResponse("details nobody should see", status=500)


@public
def toasted(request: HttpRequest) -> HttpResponse:
    body = '{"toast": {"message": "Approved <b>all</b>", "tone": "success"}}'
    return HttpResponse(status=204, headers={"HX-Trigger": body})


@public
def modal(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        "<h2>From the server</h2><div class='dialog-actions'><button data-dialog-close>Shut</button></div>"
    )


@public
def counted(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>counted</p>")


@public
def same(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f'<p><input type=hidden name="csrfmiddlewaretoken" value="{next(_turn)}">always</p>')


@public
def new(request: HttpRequest) -> HttpResponse:
    return HttpResponse(
        f"<a href='#kept'>kept</a> <span>{next(_turn)}</span><details id='more'><summary>more</summary>x</details>"
    )


urlpatterns = [
    *project,
    path("styleguide/", styleguide.styleguide),
    path(
        "trial/",
        include(
            [
                path("", trial),
                path("422/", refuse),
                path("private/", private),
                path("500/", broken),
                path("toast/", toasted),
                path("modal/", modal),
                path("count/", counted),
                path("same/", same),
                path("new/", new),
            ]
        ),
    ),
]
