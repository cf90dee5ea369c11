"""The seed's rules as they stand there, and the judgement that names its evidence."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadpilot.lib import clock
from leads.models import Company, Fact, FactCategory, Lead, Page
from leads.qualification import (
    FIELD_WEIGHTS,
    MINIMUM_SCORE_THRESHOLD,
    assess,
    calculate_lead_score,
    is_lead_qualified,
)
from leads.queries_evidence import evidence_for


def test_the_seeds_own_example_passes():
    qualified_lead = {
        "name": "John Doe",
        "email": "john@company.com",
        "linkedin_url": "linkedin.com/in/johndoe",
        "company_info": "Tech startup",
    }
    assert is_lead_qualified(qualified_lead) is True


def test_the_seeds_own_counterexample_fails():
    assert is_lead_qualified({"name": "Jane Doe", "email": "jane@company.com"}) is False


@pytest.mark.parametrize("missing", ["name", "email"])
def test_name_and_email_are_both_required(missing):
    data = {"name": "A", "email": "a@b.example", "linkedin_url": "x", "website_url": "y", missing: ""}
    assert not is_lead_qualified(data)


@pytest.mark.parametrize("one", ["linkedin_url", "website_url", "company_info", "social_profiles"])
@pytest.mark.parametrize("two", ["linkedin_url", "website_url", "company_info", "social_profiles"])
def test_two_different_enrichments_are_needed(one, two):
    data = {"name": "A", "email": "a@b.example", one: "x", two: "y"}
    assert is_lead_qualified(data) is (one != two)


def test_the_weights_are_the_seeds():
    assert FIELD_WEIGHTS == {
        "name": 10,
        "email": 10,
        "company": 15,
        "title": 10,
        "linkedin_url": 20,
        "recent_activity": 15,
        "company_info": 10,
        "personal_interests": 10,
    }
    assert MINIMUM_SCORE_THRESHOLD == 45


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        ((), 0),
        (("name", "email"), 20),
        (("name", "email", "company"), 35),
        (("name", "email", "company", "title"), 45),
        (("name", "email", "linkedin_url"), 40),
        (tuple(FIELD_WEIGHTS), 100),
    ],
)
def test_the_score_is_the_sum_of_the_weights(fields, score):
    assert calculate_lead_score(dict.fromkeys(fields, "x")) == score


@given(
    st.dictionaries(st.sampled_from([*FIELD_WEIGHTS, "other"]), st.one_of(st.none(), st.text()), max_size=9)
)
def test_the_score_stays_within_its_range_and_ignores_other_fields(data):
    score = calculate_lead_score(data)
    assert 0 <= score <= 100
    assert score == calculate_lead_score({key: value for key, value in data.items() if key != "other"})


def test_the_score_is_capped_at_100():
    assert calculate_lead_score({"name": "x", "email": "y"}, {"name": 80, "email": 80}) == 100


pytest_db = pytest.mark.django_db


@pytest.fixture
def company(in_org):
    return Company.objects.create(org=in_org, domain="acme.example", name="Acme")


@pytest.fixture
def lead(in_org, company):
    return Lead.objects.create(
        org=in_org, name="Ada Lovelace", email="ada@acme.example", company_profile=company
    )


@pytest.fixture
def add_fact(in_org, company, lead):
    page = Page.objects.create(org=in_org, company=company, url="https://acme.example/")

    def add(category, *, own=False, quote=None, **fields):
        owner = {"lead": lead} if own else {"company": company}
        values = {"statement": f"Acme did {category}", "confidence": 0.8, **fields}
        return Fact.objects.create(
            org=in_org,
            page=page,
            category=category,
            quote=quote or f"{category} {fields}",
            source_url=page.url,
            **owner,
            **values,
        )

    return add


@pytest_db
def test_a_bare_lead_is_judged_with_what_is_missing_and_how_to_get_it(lead):
    lead.company_profile.name = ""
    judged = assess(lead)
    assert (judged.qualified, judged.score, judged.threshold) == (False, 20, 45)
    assert judged.reason.startswith(
        "Too little to write honestly: score 20 of 45 needed; missing company, job title"
    )
    assert "Company information: give the company's web site, then research again." in judged.missing
    assert sum(part.got for part in judged.parts) == 20
    assert [part.field for part in judged.parts] == list(FIELD_WEIGHTS)


@pytest_db
def test_each_researched_part_names_the_fact_it_rests_on(lead, add_fact):
    activity = add_fact(FactCategory.RECENT_ACTIVITY, own=True)
    news = add_fact(FactCategory.RECENT_NEWS)
    info = add_fact(FactCategory.COMPANY_INFO)
    interest = add_fact(FactCategory.PERSONAL_INTERESTS, own=True)
    parts = {part.field: part for part in assess(lead).parts}
    assert parts["recent_activity"].fact_id == activity.pk != news.pk
    assert parts["company_info"].fact_id == info.pk
    assert parts["company_info"].evidence == info.statement
    assert parts["personal_interests"].fact_id == interest.pk
    assert parts["name"].fact_id is None


@pytest_db
def test_a_lead_with_a_site_and_facts_qualifies(lead, add_fact):
    add_fact(FactCategory.COMPANY_INFO)
    add_fact(FactCategory.RECENT_NEWS)
    assert not assess(lead).qualified  # only one enrichment
    assert "at least 2 are needed; there is company information" in assess(lead).reason
    lead.website_url = "https://acme.example/"
    judged = assess(lead)
    assert judged.qualified
    assert judged.score == 60
    assert judged.reason == "Enough to write: score 60 of 45 needed, 2 of 3 researched fields known."


@pytest_db
def test_the_score_needs_the_threshold_even_with_enrichments(lead):
    lead.linkedin_url, lead.website_url = "https://linkedin.com/in/ada", "https://acme.example"
    assert assess(lead, threshold=80).qualified is False
    assert assess(lead, threshold=55).qualified is True


@pytest_db
def test_an_organizations_own_weights_replace_the_seeds(lead):
    judged = assess(lead, weights={"name": 70, "email": 60})
    assert judged.score == 100
    assert [part.field for part in judged.parts] == ["name", "email"]


@pytest_db
def test_an_empty_set_of_weights_means_the_seeds(lead):
    assert len(assess(lead, weights={}).parts) == len(FIELD_WEIGHTS)


@pytest_db
def test_evidence_puts_the_persons_own_words_and_fresh_news_first(lead, add_fact):
    today = clock.now().date()
    role = add_fact(FactCategory.PERSON_ROLE, own=True, confidence=0.9)
    old = add_fact(FactCategory.RECENT_NEWS, dated=today - timedelta(days=700))
    new = add_fact(FactCategory.RECENT_NEWS, dated=today - timedelta(days=5))
    said = add_fact(FactCategory.RECENT_ACTIVITY, own=True, dated=today - timedelta(days=5))
    assert evidence_for(lead) == [said, new, role, old]


@pytest_db
def test_evidence_shows_each_quote_once(lead, add_fact):
    own = add_fact(FactCategory.RECENT_ACTIVITY, own=True, quote="We answered all of them by hand, says Ada")
    add_fact(FactCategory.PAIN_POINT, quote="We answered all of them by hand")
    assert evidence_for(lead) == [own]


@pytest_db
def test_evidence_of_a_colleague_stays_with_the_colleague(in_org, lead, company, add_fact):
    add_fact(FactCategory.PERSON_ROLE, own=True)
    shared = add_fact(FactCategory.COMPANY_INFO)
    other = Lead.objects.create(org=in_org, name="Bob", email="bob@acme.example", company_profile=company)
    assert evidence_for(other) == [shared]
    assert evidence_for(Lead.objects.create(org=in_org, name="Eve", email="eve@gmail.com")) == []
