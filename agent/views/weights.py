"""The weights of the score: a form of its own in the control center."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from agent.forms import ConfigForm
from agent.score_form import WeightsForm
from agent.services import control
from agent.views.control import page
from leadpilot.lib.errors import DomainError
from leadpilot.orgs.access import role_required
from leadpilot.orgs.requests import OrgRequest


@role_required("admin")
@require_POST
def score_weights(request: OrgRequest) -> HttpResponse:
    """Set the weights, or with `defaults` go back to the seed's."""
    config = control.config_for(request.org)
    form = WeightsForm(request.POST, config=config)
    defaults = "defaults" in request.POST
    if not defaults and not form.is_valid():
        return page(request, ConfigForm(instance=config), weights=form, status=422)
    try:
        weights = {} if defaults else form.cleaned_data
        control.update_config(org=request.org, by=request.user, score_weights=weights)
    except DomainError as error:
        form.add_error(None, str(error))
        return page(request, ConfigForm(instance=config), weights=form, status=422)
    messages.success(request, "Weights saved. They count for each lead that is researched from now on.")
    return redirect(f"{reverse('agent:control_center')}#weights")
