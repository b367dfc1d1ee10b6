"""A dossier from its first draft into the archive (R4.1 to R4.3)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.customers import (
    Contact,
    CustomerKind,
    CustomerRegistered,
    DossierReturned,
    DossierSubmitted,
    IdentityKind,
)
from kehu.deciding import Actor
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_customer_registry.dossiers import changes, decisions, rights
from kehu_customer_registry.dossiers.changes import ChangeDossier
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.decisions import DraftDossier, EditDossier, ReturnDossier, missing
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier, DossierDrafted, DossierEdited, Status
from kehu_customer_registry.dossiers.rights import Sight
from kehu_customer_registry.testing import (
    ADMIN,
    AUDITOR,
    COMPLETE,
    CONTACT,
    CUSTOMER,
    EAST,
    FORCE,
    HELPER,
    MANAGER,
    MARKET,
    NEW_PEOPLE,
    NUMBER,
    OTHER_USCC,
    SALES,
    SELLING_MANAGER,
    STRANGER,
    USCC,
    VETTER,
    WEST,
    WEST_MANAGER,
    Case,
    archived,
    dossier,
    person,
    submitted,
)

PROSPECT = DraftDossier(CUSTOMER, NUMBER, EAST, {"name": "某某公司"})


def prospect() -> Case[Dossier]:
    case = Case(DOSSIERS, FORCE)
    case.do(decisions.draft_dossier, SALES, PROSPECT)
    return case


def test_a_name_and_a_department_make_a_prospect_of_the_salesperson_who_drafts() -> None:
    case = Case(DOSSIERS)
    (drafted,) = case.do(decisions.draft_dossier, SALES, PROSPECT)
    assert isinstance(drafted, DossierDrafted)
    assert (drafted.owner, drafted.department, drafted.number) == ("sales", EAST, NUMBER)
    assert case.state.status is Status.DRAFT
    assert [claim.scope for claim in case.claims] == ["customer-number"]


@pytest.mark.parametrize("actor", [MANAGER, MARKET, AUDITOR, person("w", "salesperson", department=WEST)])
def test_only_a_salesperson_of_the_department_drafts(actor: Actor) -> None:
    with pytest.raises(Forbidden) as refused:
        Case(DOSSIERS).do(decisions.draft_dossier, actor, PROSPECT)
    assert refused.value.clause == "R4.1"


def test_who_is_leaving_gets_no_new_customer_and_changes_none() -> None:
    leaving = person("sales", "salesperson", departing=True)
    for case, decide, command in (
        (Case(DOSSIERS), decisions.draft_dossier, PROSPECT),
        (dossier(), decisions.edit_dossier, EditDossier({"region": "江苏"})),
        (dossier(), decisions.submit_dossier, None),
        (archived(), changes.change_dossier, ChangeDossier({"region": "江苏"})),
    ):
        with pytest.raises(Forbidden) as refused:
            case.do(decide, leaving, command)
        assert (refused.value.clause, refused.value.problem_code) == ("R4.6", "departing")


def test_a_draft_is_not_drafted_again() -> None:
    with pytest.raises(Refused, match="already"):
        prospect().do(decisions.draft_dossier, SALES, PROSPECT)


def test_an_identity_is_claimed_with_the_draft() -> None:
    case = dossier()
    assert [(claim.scope, claim.value, claim.holder, claim.release) for claim in case.claims] == [
        ("customer-number", NUMBER, CUSTOMER, False),
        ("identity", f"uscc:{USCC}", CUSTOMER, False),
    ]


def test_a_changed_identity_is_claimed_and_the_old_one_given_back() -> None:
    case = dossier()
    case.do(decisions.edit_dossier, SALES, EditDossier({"identity": OTHER_USCC}))
    assert [(claim.value, claim.release) for claim in case.claims] == [
        (f"uscc:{OTHER_USCC}", False),
        (f"uscc:{USCC}", True),
    ]
    case.do(decisions.edit_dossier, SALES, EditDossier({"identity": None, "identity_kind": None}))
    assert [(claim.value, claim.release) for claim in case.claims] == [(f"uscc:{OTHER_USCC}", True)]


def test_editing_changes_what_is_given_and_nothing_else() -> None:
    case = dossier()
    (edited,) = case.do(decisions.edit_dossier, SALES, EditDossier({"address": "宁波市江北区 2 号"}))
    assert isinstance(edited, DossierEdited)
    assert edited.content.address == "宁波市江北区 2 号"
    assert edited.content.name == COMPLETE["name"]
    assert case.do(decisions.edit_dossier, SALES, EditDossier({"address": "宁波市江北区 2 号"})) == []


def test_collaborators_may_edit_but_only_the_owner_submits() -> None:
    case = dossier(collaborators=("helper",))
    assert case.do(decisions.edit_dossier, HELPER, EditDossier({"region": "江苏"}))
    with pytest.raises(Forbidden, match="Only the salesperson who owns"):
        case.do(decisions.submit_dossier, HELPER)


@pytest.mark.parametrize("actor", [STRANGER, MANAGER, MARKET, ADMIN, AUDITOR, person("sales")])
def test_others_do_not_edit(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        dossier().do(decisions.edit_dossier, actor, EditDossier({"region": "江苏"}))


def test_collaborators_are_salespeople_at_work_and_not_the_owner() -> None:
    with pytest.raises(NotFound, match="nobody") as refused:
        dossier(collaborators=("nobody", "helper"))
    assert refused.value.evidence["people"] == ["nobody"]
    with pytest.raises(Invalid, match="no collaborator besides"):
        dossier(collaborators=("sales",))


def test_a_contact_never_carries_the_id_of_somebody_elses() -> None:
    foreign = Contact(person="p-of-another-customer", name="李四", phone="+8613900139000")
    with pytest.raises(Invalid) as refused:
        dossier().do(decisions.edit_dossier, SALES, EditDossier({"contacts": (CONTACT, foreign)}))
    assert refused.value.problem_code == "contact-unknown"
    with pytest.raises(Invalid):
        dossier().do(decisions.edit_dossier, SALES, EditDossier({"contacts": (CONTACT, CONTACT)}))
    new = EditDossier({"contacts": (CONTACT, foreign)}, frozenset({foreign.person}))
    assert dossier().do(decisions.edit_dossier, SALES, new)


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        ({"kind": None}, ["kind"]),
        ({"nature": None}, ["nature"]),
        ({"nature": Nature.OTHER}, ["nature_remark"]),
        ({"supervising_body": None}, ["supervising_body"]),
        ({"address": None}, ["address"]),
        ({"region": None}, ["region"]),
        ({"contacts": ()}, ["contacts"]),
        ({"identity": None, "identity_kind": None, "no_identity_reason": "筹建中"}, ["identity"]),
    ],
)
def test_the_minimum_of_r4_2_is_asked_for_by_name(left_out: dict[str, Any], named: list[str]) -> None:
    case = dossier(**left_out)
    with pytest.raises(Refused) as refused:
        case.do(decisions.submit_dossier, SALES)
    assert refused.value.clause == "R4.2"
    assert refused.value.evidence["missing"] == named


def test_a_complete_dossier_is_submitted_and_read_only_from_then_on() -> None:
    case = dossier()
    assert case.do(decisions.submit_dossier, SALES) == [
        DossierSubmitted(
            customer=CUSTOMER,
            number=NUMBER,
            name=COMPLETE["name"],
            department=EAST,
            submitted_by="sales",
            asked_on=date(2026, 11, 24),
            answer_due_on=date(2026, 11, 27),
        )
    ]
    with pytest.raises(Refused, match="read-only") as refused:
        case.do(decisions.edit_dossier, SALES, EditDossier({"region": "江苏"}))
    assert refused.value.problem_code == "dossier-status"
    with pytest.raises(Refused):
        case.do(decisions.submit_dossier, SALES)


def test_the_manager_returns_it_with_remarks_and_it_can_be_mended() -> None:
    case = submitted()
    assert case.do(decisions.return_dossier, MANAGER, ReturnDossier("地址不完整")) == [
        DossierReturned(
            customer=CUSTOMER,
            number=NUMBER,
            name=COMPLETE["name"],
            department=EAST,
            submitted_by="sales",
            returned_by="manager",
            remarks="地址不完整",
        )
    ]
    assert (case.state.status, case.state.remarks) == (Status.RETURNED, "地址不完整")
    assert case.do(decisions.edit_dossier, SALES, EditDossier({"address": "杭州市西湖区文三路 1 号 5 楼"}))
    assert case.do(decisions.submit_dossier, SALES)
    assert case.state.remarks is None


def test_a_passed_dossier_is_a_registered_customer_with_everything_that_others_need() -> None:
    case = submitted(collaborators=("helper",), important_potential=True)
    assert case.do(decisions.pass_dossier, MANAGER) == [
        CustomerRegistered(
            customer=CUSTOMER,
            number=NUMBER,
            name=COMPLETE["name"],
            kind=CustomerKind.PROVINCIAL_AGENT,
            nature="limited_liability",
            identity_kind=IdentityKind.USCC,
            identity=USCC,
            region="浙江",
            department=EAST,
            owner="sales",
            collaborators=("helper",),
            contacts=(CONTACT,),
            important_potential=True,
            registered_by="manager",
        )
    ]
    assert case.state.status is Status.ARCHIVED


@pytest.mark.parametrize("actor", [SALES, STRANGER, WEST_MANAGER, MARKET, ADMIN, AUDITOR, VETTER])
def test_only_the_manager_of_the_department_reviews(actor: Actor) -> None:
    case = submitted()
    with pytest.raises(Forbidden) as refused:
        case.do(decisions.pass_dossier, actor)
    assert refused.value.clause == "R4.3"
    with pytest.raises(Forbidden):
        case.do(decisions.return_dossier, actor, ReturnDossier("不完整"))


def test_nobody_passes_what_they_submitted() -> None:
    case = Case(DOSSIERS, FORCE)
    case.do(decisions.draft_dossier, SELLING_MANAGER, DraftDossier(CUSTOMER, NUMBER, EAST, COMPLETE, NEW_PEOPLE))
    case.do(decisions.submit_dossier, SELLING_MANAGER)
    with pytest.raises(Forbidden) as refused:
        case.do(decisions.pass_dossier, SELLING_MANAGER)
    assert refused.value.problem_code == "own-submission"
    assert case.do(decisions.pass_dossier, MANAGER)


@pytest.mark.parametrize("case", [dossier(), archived()])
def test_only_a_submitted_dossier_is_reviewed(case: Case[Dossier]) -> None:
    with pytest.raises(Refused):
        case.do(decisions.pass_dossier, MANAGER)


def test_an_archived_dossier_is_not_edited_but_changed() -> None:
    with pytest.raises(Refused, match="Use a change"):
        archived().do(decisions.edit_dossier, SALES, EditDossier({"region": "江苏"}))


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        (SALES, Sight.ALL),
        (HELPER, Sight.ALL),
        (MANAGER, Sight.ALL),
        (VETTER, Sight.ALL),
        (MARKET, Sight.ALL),
        (ADMIN, Sight.ALL),
        (person("f", "finance", department=None), Sight.ALL),
        (AUDITOR, Sight.MASKED),
        (STRANGER, Sight.NOTHING),
        (WEST_MANAGER, Sight.NOTHING),
        (person("hr", "hr", department=None), Sight.NOTHING),
    ],
)
def test_who_sees_what(actor: Actor, seen: Sight) -> None:
    state = dossier(collaborators=("helper",)).state
    assert rights.sight(state, actor) is seen
    scope = rights.scope(actor)
    listed = scope.everything or state.department in scope.departments or rights.is_own(state, actor)
    assert listed is (seen is not Sight.NOTHING)


def test_what_somebody_may_not_see_is_not_there_for_them() -> None:
    with pytest.raises(NotFound) as unseen:
        rights.check_visible(dossier().state, STRANGER)
    with pytest.raises(NotFound) as absent:
        rights.check_visible(Dossier(), ADMIN)
    assert str(unseen.value) == str(absent.value)


def test_who_is_leaving_is_shown_no_lists() -> None:
    rights.check_may_list(SALES)
    with pytest.raises(Forbidden) as refused:
        rights.check_may_list(person("leaver", "salesperson", departing=True))
    assert refused.value.clause == "R4.6"


PEOPLE = [SALES, HELPER, STRANGER, MANAGER, WEST_MANAGER, SELLING_MANAGER, MARKET, AUDITOR]
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["甲公司", "乙公司"]),
        "kind": st.none() | st.sampled_from(list(CustomerKind)),
        "nature": st.none() | st.sampled_from(list(Nature)),
        "nature_remark": st.none() | st.just("合作社"),
        "supervising_body": st.none() | st.just("无"),
        "address": st.none() | st.text(max_size=5),
        "region": st.none() | st.just("浙江"),
        "contacts": st.sampled_from([(), (CONTACT,), (Contact(person="p-9", name="九", phone="+8613900000009"),)]),
        "collaborators": st.sampled_from([(), ("helper",), ("nobody",), ("sales",)]),
    },
)
EDITS = st.builds(EditDossier, VALUES, st.sampled_from([frozenset[str](), NEW_PEOPLE]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just(decisions.edit_dossier), st.sampled_from(PEOPLE), EDITS),
        st.tuples(st.just(decisions.submit_dossier), st.sampled_from(PEOPLE), st.none()),
        st.tuples(
            st.just(decisions.return_dossier), st.sampled_from(PEOPLE), st.builds(ReturnDossier, st.just("请补充"))
        ),
        st.tuples(st.just(decisions.pass_dossier), st.sampled_from(PEOPLE), st.none()),
    ),
    max_size=25,
)


@given(STEPS)
def test_whatever_is_tried_only_a_complete_dossier_is_registered_and_by_somebody_else(
    steps: list[tuple[Any, Actor, Any]],
) -> None:
    case = dossier(collaborators=("helper",))
    for decide, actor, command in steps:
        case.attempt(decide, actor, command)
    registered = [fact for fact in case.facts if isinstance(fact, CustomerRegistered)]
    assert len(registered) <= 1
    for fact in registered:
        submissions = [one.submitted_by for one in case.facts if isinstance(one, DossierSubmitted)]
        assert fact.registered_by != submissions[-1]
        assert fact.registered_by != fact.owner
        assert missing(case.state.content) == []
