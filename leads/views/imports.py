"""From a file to leads: upload, mapping, progress, result."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from leadpilot.lib.errors import Conflict, DomainError
from leadpilot.lib.htmx import render_page
from leadpilot.orgs.access import get_or_404, member_required, role_required
from leadpilot.orgs.requests import OrgRequest
from leads import queries
from leads.forms import MappingForm, ReadingForm, UploadForm
from leads.importing.export import csv_lines
from leads.importing.problems import Unreadable
from leads.importing.source import Source
from leads.models import ImportStatus, LeadImport
from leads.services import imports
from leads.services.import_files import stored_source

HISTORY = 20
PROBLEMS = 50  # a page of the result
SHOWN_PROBLEMS = 8  # in the preview


@role_required("member")
@require_http_methods(["GET", "POST"])
def import_create(request: OrgRequest) -> HttpResponse:
    """Upload a file; under it, the imports of the past."""
    form = UploadForm(request.POST, request.FILES) if request.method == "POST" else UploadForm()
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            lead_import = imports.upload(org=request.org, by=request.user, file_name=file.name, file=file)
        except DomainError as error:
            form.add_error("file", str(error))
        else:
            return redirect("leads:import_detail", lead_import.pk)
    context = {"form": form, "history": queries.import_list(request.org)[:HISTORY]}
    return render_page(request, "leads/import_create.html", context, status=422 if form.errors else 200)


def _import(request: OrgRequest, pk: UUID) -> LeadImport:
    return get_or_404(queries.import_list(request.org).select_related("org", "created_by"), pk)


@member_required
@require_GET
def import_detail(request: OrgRequest, pk: UUID) -> HttpResponse:
    """The mapping before it starts, the progress while it runs, the result after."""
    lead_import = _import(request, pk)
    if lead_import.status == ImportStatus.UPLOADED:
        return _mapping_page(request, lead_import)
    problems = Paginator(queries.problems_of(lead_import), PROBLEMS).get_page(request.GET.get("page"))
    context = {
        "import": lead_import,
        "page": problems,
        "leads_url": f"{reverse('leads:lead_list')}?lead_import={lead_import.pk}",
        "is_running": lead_import.status == ImportStatus.RUNNING,
    }
    return render_page(request, "leads/import_detail.html", context, fragment="progress")


@role_required("member")
@require_POST
def import_preview(request: OrgRequest, pk: UUID) -> HttpResponse:
    """What the mapping as it is chosen now would do."""
    lead_import = _import(request, pk)
    if lead_import.status != ImportStatus.UPLOADED:
        return redirect("leads:import_detail", lead_import.pk)
    return _mapping_page(request, lead_import, data=request.POST)


@role_required("member")
@require_POST
def import_start(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Begin with this mapping."""
    lead_import = _import(request, pk)
    if lead_import.status != ImportStatus.UPLOADED:
        return _back(lead_import)  # a second click: the page shows how far it is
    with stored_source(lead_import) as source:
        form = MappingForm(request.POST, titles=source.titles, mapping=lead_import.mapping)
    if not form.is_valid():
        return _mapping_page(request, lead_import, data=request.POST, refuse=True)
    try:
        imports.start(
            lead_import=lead_import,
            mapping=form.chosen(),
            update_existing=form.cleaned_data["update_existing"],
            by=request.user,
        )
    except Conflict:
        return _back(lead_import)
    except DomainError:
        return _mapping_page(request, lead_import, data=request.POST, refuse=True)
    return _back(lead_import)


def _back(lead_import: LeadImport) -> HttpResponse:
    return redirect("leads:import_detail", lead_import.pk)


@role_required("member")
@require_POST
def import_reading(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Read the bytes another way: encoding and separator as a person says."""
    lead_import = _import(request, pk)
    form = ReadingForm(request.POST)
    if lead_import.status != ImportStatus.UPLOADED:
        return _back(lead_import)
    if form.is_valid():
        try:
            imports.reinterpret(lead_import=lead_import, **form.cleaned_data)
        except Unreadable as error:
            form.add_error(None, str(error))
        else:
            return _back(lead_import)
    return _mapping_page(request, lead_import, reading=form)


def _mapping_page(
    request: OrgRequest,
    lead_import: LeadImport,
    *,
    data: Any = None,
    refuse: bool = False,
    reading: ReadingForm | None = None,
) -> HttpResponse:
    with stored_source(lead_import) as source:
        form = MappingForm(
            data,
            titles=source.titles,
            mapping=lead_import.mapping,
            initial={"update_existing": "1" if lead_import.update_existing else "0"},
        )
        valid = not form.is_bound or form.is_valid()
        context = {
            "import": lead_import,
            "form": form,
            "columns": list(zip(form.columns, _samples(source), strict=True)),
            "reading": reading or _reading(source),
            "is_workbook": bool(source.sheet),
            "sheet": source.sheet,
            "may_write": request.membership.role != "viewer",
            **(_preview(lead_import, source, form) if valid else {}),
        }
    wrong = not valid or refuse or (reading is not None and reading.errors)
    return render_page(
        request, "leads/import_mapping.html", context, fragment="preview", status=422 if wrong else 200
    )


def _samples(source: Source) -> list[str]:
    """For each column a few of its values."""
    columns = []
    for position in range(len(source.titles)):
        values = [
            row[position].strip() for row in source.sample if position < len(row) and row[position].strip()
        ]
        columns.append(", ".join(value[:60] for value in dict.fromkeys(values[:3])))
    return columns


def _reading(source: Source) -> ReadingForm:
    encoding = source.encoding.removesuffix("-sig")
    return ReadingForm(initial={"encoding": encoding, "delimiter": source.delimiter})


def _preview(lead_import: LeadImport, source: Source, form: MappingForm) -> dict[str, Any]:
    mapping = form.chosen()
    update = form.cleaned_data["update_existing"] if form.is_bound else lead_import.update_existing
    try:
        imports.check_mapping(mapping)
    except DomainError as error:
        return {"mapping_error": str(error)}
    if not lead_import.total:
        return {"mapping_error": "This file has no rows under its column titles. Choose another file."}
    result, looked_at = imports.dry_run(
        lead_import=lead_import, source=source, mapping=mapping, update_existing=update
    )
    return {
        "result": result,
        "looked_at": looked_at,
        "is_part": looked_at < lead_import.total,
        "problems": [problem for _, problem in result.problems[:SHOWN_PROBLEMS]],
        "more_problems": max(0, len(result.problems) - SHOWN_PROBLEMS),
    }


@member_required
@require_GET
def import_problems(request: OrgRequest, pk: UUID) -> HttpResponse:
    """Every row that was not taken, as a CSV file; cells that look like formulas are made harmless."""
    lead_import = _import(request, pk)
    rows = queries.problems_of(lead_import).values_list("row", "outcome", "field", "value", "message")
    lines = csv_lines(["row", "outcome", "field", "value", "message"], rows.iterator(chunk_size=2000))
    # Not streamed: rows fetched while streaming would be fetched outside of the organization's transaction.
    response = HttpResponse("".join(lines), content_type="text/csv; charset=utf-8")
    name = slugify(lead_import.file_name.rpartition(".")[0]) or "import"
    response["Content-Disposition"] = f'attachment; filename="{name}-problems.csv"'
    return response
