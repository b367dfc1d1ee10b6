"""R3.1.2: which papers are asked for, and which stand for which."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu_vetting.qualifications.decisions import vetted
from kehu_vetting.qualifications.form import Form, VettedCustomer
from kehu_vetting.qualifications.required_documents import REQUIRED_DOCUMENTS
from kehu_vetting.qualifications.requirements import Known, RequiredDocuments, assess, ends, expired, unfit
from kehu_vetting.testing import DOCUMENTS, FILE, PAYER, TODAY, USCC, complete_form, paper

POLICY = REQUIRED_DOCUMENTS.initial
COMPANY = vetted(FILE)


def lacking(
    form: Form, customer: VettedCustomer = COMPANY, policy: RequiredDocuments = POLICY, today: date = TODAY
) -> set[tuple[str, str]]:
    return {(one.field, one.code) for one in assess(form, customer, policy, today).lacking}


def satisfied(form: Form, customer: VettedCustomer = COMPANY) -> dict[str, str]:
    return {one.requirement: one.document for one in assess(form, customer, POLICY, TODAY).satisfied}


def test_a_licence_with_a_valid_unified_code_satisfies_three_requirements() -> None:
    found = satisfied(complete_form())
    assert found["business_licence"] == "business_licence"
    assert found["tax_registration"] == "business_licence"
    assert found["organisation_code"] == "business_licence"
    assert lacking(complete_form()) == set()


def test_basic_account_information_satisfies_the_account_opening_permit() -> None:
    assert satisfied(complete_form())["account_opening_permit"] == "basic_account"
    with_permit = complete_form(documents=(*DOCUMENTS[:1], paper("account_opening_permit"), *DOCUMENTS[2:]))
    assert satisfied(with_permit)["account_opening_permit"] == "account_opening_permit"


def test_an_old_licence_needs_the_old_certificates_beside_it() -> None:
    individual = vetted(
        replace(
            FILE, identity_kind=IdentityKind.INDIVIDUAL_BUSINESS, identity="110108600000010", kind=CustomerKind.DEALER
        )
    )
    payer = PAYER.model_copy(
        update={"identity_kind": IdentityKind.INDIVIDUAL_BUSINESS, "identity": individual.identity}
    )
    old = complete_form(
        settlement_unit=payer, documents=(paper("business_licence", number="110108600000010"), *DOCUMENTS[1:])
    )
    assert lacking(old, individual) == {
        ("documents.tax_registration", "document-missing"),
        ("documents.organisation_code", "document-missing"),
    }
    complete = old.model_copy(
        update={"documents": (*old.documents, paper("tax_registration"), paper("organisation_code"))}
    )
    assert lacking(complete, individual) == set()
    assert satisfied(complete, individual)["tax_registration"] == "tax_registration"


def test_a_foreign_certificate_stands_for_a_licence_of_foreign_customers_only() -> None:
    papers = (paper("foreign_registration"), *DOCUMENTS[1:])
    foreign = vetted(replace(FILE, identity_kind=IdentityKind.FOREIGN_REGISTRATION, identity="HRB 1234"))
    payer = PAYER.model_copy(update={"identity_kind": IdentityKind.FOREIGN_REGISTRATION, "identity": "HRB 1234"})
    assert lacking(complete_form(documents=papers, settlement_unit=payer), foreign) == set()
    assert ("documents.business_licence", "document-missing") in lacking(complete_form(documents=papers))


def test_a_code_that_is_not_the_customers_does_not_count() -> None:
    other = complete_form(documents=(paper("business_licence", number="9144030071526726XG"), *DOCUMENTS[1:]))
    assert ("documents.business_licence", "identity-differs") in lacking(other)


def test_an_agent_brings_the_original_power_of_attorney() -> None:
    represented = complete_form(represented=True)
    assert lacking(represented) == {("documents.power_of_attorney", "document-missing")}
    copy_only = paper("power_of_attorney", original_seen=False)
    assert lacking(complete_form(represented=True, documents=(*DOCUMENTS, copy_only))) == {
        ("documents.power_of_attorney", "original-not-seen")
    }
    original = paper("power_of_attorney", company_seal=False)
    assert lacking(complete_form(represented=True, documents=(*DOCUMENTS, original))) == set()


def test_somebody_else_who_pays_needs_a_three_party_agreement() -> None:
    payer = PAYER.model_copy(update={"identity": "9144030071526726XG"})
    assert lacking(complete_form(settlement_unit=payer)) == {
        ("documents.three_party_agreement", "document-missing"),
        ("settlement_unit.documents.business_licence", "document-missing"),
    }
    own = payer.model_copy(update={"documents": (paper("business_licence", number=payer.identity),)})
    unsigned = complete_form(settlement_unit=own, documents=(*DOCUMENTS, paper("three_party_agreement")))
    assert lacking(unsigned) == {("documents.three_party_agreement.issued_on", "date-missing")}
    signed = paper("three_party_agreement", issued_on=TODAY)
    assert lacking(complete_form(settlement_unit=own, documents=(*DOCUMENTS, signed))) == set()


def test_a_payers_own_licence_carries_its_own_code_and_what_is_known_of_it_counts() -> None:
    payer = PAYER.model_copy(update={"identity": "9144030071526726XG"})
    signed = (*DOCUMENTS, paper("three_party_agreement", issued_on=TODAY))
    customers = payer.model_copy(update={"documents": (paper("business_licence", number=USCC),)})
    assert lacking(complete_form(settlement_unit=customers, documents=signed)) == {
        ("settlement_unit.documents.business_licence", "identity-differs")
    }
    known = (paper("business_licence", number=payer.identity),)
    found = assess(complete_form(settlement_unit=payer, documents=signed), COMPANY, POLICY, TODAY, Known(known))
    assert found.lacking == ()
    assert "settlement_unit.business_licence" in {one.requirement for one in found.satisfied}


def test_taxpayer_proof_has_its_date_and_is_asked_again_yearly() -> None:
    undated = complete_form(documents=(*DOCUMENTS[:2], paper("taxpayer_query"), *DOCUMENTS[3:]))
    assert lacking(undated) == {("documents.taxpayer_query.issued_on", "date-missing")}
    ahead = paper("taxpayer_query", issued_on=TODAY + timedelta(days=1))
    assert lacking(complete_form(documents=(*DOCUMENTS[:2], ahead, *DOCUMENTS[3:]))) == {
        ("documents.taxpayer_query.issued_on", "date-in-future")
    }
    kind = POLICY.type("taxpayer_query")
    assert ends(paper("taxpayer_query", issued_on=date(2024, 2, 29)), kind) == date(2025, 2, 28)
    sooner = paper("taxpayer_query", issued_on=date(2026, 1, 5), valid_until=date(2026, 3, 1))
    assert ends(sooner, kind) == date(2026, 3, 1)
    assert ends(paper("business_licence"), POLICY.type("business_licence")) is None


def test_copies_bear_the_company_seal() -> None:
    unsealed = complete_form(
        documents=(*DOCUMENTS[:2], paper("taxpayer_query", issued_on=TODAY, company_seal=False), *DOCUMENTS[3:])
    )
    assert lacking(unsealed) == {("documents.taxpayer_query", "company-seal-missing")}


def test_the_last_day_of_a_paper_is_still_valid() -> None:
    until = date(2026, 11, 24)
    form = complete_form(documents=(paper("business_licence", number=USCC, valid_until=until), *DOCUMENTS[1:]))
    assert lacking(form, today=until) == set()
    assert expired(form.documents, POLICY, until) == ()
    assert ("documents.business_licence", "expired") in lacking(form, today=date(2026, 11, 25))
    assert [one.field for one in expired(form.documents, POLICY, date(2026, 11, 25))] == ["documents.business_licence"]


def test_an_expired_id_copy_warns_and_bars_nobody() -> None:
    form = complete_form(documents=(*DOCUMENTS[:4], paper("legal_representative_id", valid_until=date(2026, 1, 1))))
    found = assess(form, COMPANY, POLICY, TODAY)
    assert found.lacking == ()
    assert [one.code for one in found.warnings] == ["expired"]
    assert expired(form.documents, POLICY, TODAY) == ()


def test_a_draft_says_everything_that_it_still_lacks() -> None:
    found = lacking(complete_form().model_copy(update={"channel": None, "scope": "", "credit": None, "documents": ()}))
    assert {("channel", "missing"), ("scope", "missing"), ("credit", "missing")} < found
    assert ("documents.legal_representative_id", "document-missing") in found


def test_the_id_number_belongs_to_the_person_and_not_to_the_paper() -> None:
    form = complete_form(documents=(paper("legal_representative_id", number="110101199003070011"),))
    assert [one.code for one in unfit(form, POLICY)] == ["personal-number"]


def test_papers_of_unknown_kinds_are_not_saved() -> None:
    assert [one.code for one in unfit(complete_form(documents=(paper("horoscope"),)), POLICY)] == [
        "unknown-document-type"
    ]


def test_the_list_is_data_by_kind_of_customer() -> None:
    lists = POLICY.required_of | {CustomerKind.KEY_END_USER: ("business_licence",)}
    shorter = POLICY.model_copy(update={"required_of": lists})
    end_user = vetted(replace(FILE, kind=CustomerKind.KEY_END_USER))
    licence_only = complete_form(documents=DOCUMENTS[:1])
    assert lacking(licence_only, end_user, shorter) == set()
    assert lacking(licence_only, COMPANY, shorter) != set()


@pytest.mark.parametrize(
    "broken",
    [
        {"required_of": {}},
        {"fields": ("horoscope",)},
        {"requirements": ()},
        {"types": ()},
    ],
)
def test_a_list_that_names_what_it_does_not_declare_is_no_list(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RequiredDocuments.model_validate(POLICY.model_dump() | broken)


@given(st.data())
def test_whatever_is_submitted_each_requirement_is_either_satisfied_or_lacking(data: st.DataObject) -> None:
    kinds = [one.code for one in POLICY.types]
    papers = st.builds(
        paper,
        st.sampled_from(kinds),
        number=st.sampled_from(["", USCC, "9144030071526726XG", "110108600000010"]),
        valid_until=st.none() | st.dates(),
        company_seal=st.booleans(),
        original_seen=st.booleans(),
    )
    form = complete_form(documents=tuple(data.draw(st.lists(papers, max_size=8))), represented=data.draw(st.booleans()))
    found = assess(form, COMPANY, POLICY, TODAY)
    required = [one.code for one in POLICY.required(COMPANY, form)]
    assert len(found.satisfied) + len(found.lacking) == len(required)
    assert {one.requirement for one in found.satisfied} <= set(required)
