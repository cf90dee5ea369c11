import io

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse

from leadpilot.orgs.models import User
from leadpilot.orgs.tenancy import org_context
from leads.models import Fact, Lead, LeadResearch, Page
from leads.services import imports
from leads.services.leads import add_note, create_lead
from leads.services.suppression import suppress

pytestmark = pytest.mark.django_db(databases=["default", "system"], transaction=True)
RECORDS = ["note", "leadimport", "importproblem", "page", "leadresearch", "fact", "apiusage"]
ROWS = ["lead", "company", "suppression"]


@pytest.fixture
def support(client_for, org):
    with org_context(org.pk):
        lead = create_lead(org=org, name="Ada", email="ada@engine.example")
        add_note(lead=lead, text="Likes tea")
        suppress(org=org, value="x.example", reason="manual")
        item = imports.upload(org=org, by=None, file_name="a.csv", file=io.BytesIO(b"name,email\nBo,\n"))
        imports.start(lead_import=item, mapping=item.mapping, update_existing=True, by=None)
        page = Page.objects.create(org=org, lead=lead, url="https://engine.example/", text="Engines.")
        LeadResearch.objects.create(org=org, lead=lead, tool_used="manual")
        Fact.objects.create(
            org=org,
            page=page,
            lead=lead,
            category="company_info",
            statement="S",
            quote="Engines.",
            source_url=page.url,
        )
    return client_for(User.objects.create_superuser("root@team.example"))


def test_every_model_of_the_app_is_there():
    assert {m._meta.model_name for m in apps.get_app_config("leads").get_models()} == {*RECORDS, *ROWS}
    for model in apps.get_app_config("leads").get_models():
        assert admin.site.is_registered(model)


def test_support_finds_and_reads_everything(support, org):
    for name in [*ROWS, *RECORDS]:
        answer = support.get(reverse(f"admin:leads_{name}_changelist"), {"q": "a"})
        assert answer.status_code == 200, name
    with org_context(org.pk):
        lead = Lead.objects.get()
    page = support.get(reverse("admin:leads_lead_change", args=[lead.pk]))
    assert page.status_code == 200
    assert b"ada@engine.example" in page.content


def test_records_cannot_be_rewritten(support):
    for name in RECORDS:
        assert support.get(reverse(f"admin:leads_{name}_add")).status_code == 403, name


def test_owners_of_an_organization_are_no_support(client_for, alice, org):
    answer = client_for(alice).get(reverse("admin:leads_lead_changelist"))
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


def test_a_web_address_typed_without_a_scheme_is_https(support, org):
    ContentType.objects.clear_cache()  # tests that commit empty its table
    with org_context(org.pk):
        lead = Lead.objects.get(email="ada@engine.example")
    url = reverse("admin:leads_lead_change", args=[lead.pk])
    form = support.get(url).context["adminform"].form
    typed = {name: "" if (value := form[name].value()) is None else value for name in form.fields}
    answer = support.post(url, {**typed, "tags": "", "custom_fields": "{}", "website_url": "engine.example"})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    with org_context(org.pk):
        assert Lead.objects.get(pk=lead.pk).website_url == "https://engine.example"
