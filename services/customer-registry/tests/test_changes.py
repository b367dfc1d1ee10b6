"""What changes in an archived dossier (R4.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.customers import (
    Affiliation,
    BankTax,
    Contact,
    CustomerChanged,
    CustomerChangeProposed,
    CustomerKind,
    IdentityKind,
    LegalRepresentative,
    OwnerAssigned,
)
from kehu.contracts.staff import DelegableStep
from kehu.deciding import Actor, Mandate
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_customer_registry.dossiers import changes
from kehu_customer_registry.dossiers.changes import (
    AssignOwner,
    ChangeDossier,
    DeclineChange,
    PassChange,
    SetAffiliation,
)
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.decisions import missing
from kehu_customer_registry.dossiers.facts import Dossier, ParticularsChanged, Status
from kehu_customer_registry.testing import (
    AUDITOR,
    CHIEF,
    CONTACT,
    CUSTOMER,
    EAST,
    HELPER,
    MANAGER,
    MARKET,
    NOW,
    OTHER_USCC,
    SALES,
    STRANGER,
    USCC,
    WEST_MANAGER,
    Case,
    archived,
    dossier,
)

LONG_AGO = datetime.fromisoformat("0001-01-01T00:00:00+14:00")


def test_the_salesperson_changes_the_region_at_once_and_says_when_it_happened() -> None:
    case = archived()
    happened = NOW - timedelta(days=9)
    (changed,) = case.do(changes.change_dossier, SALES, ChangeDossier({"region": "江苏"}, occurred_on=happened))
    assert changed == CustomerChanged(customer=CUSTOMER, region="江苏", occurred_on=happened, late=True)
    assert changed.occurred(NOW) == happened
    assert case.state.content.region == "江苏"


def test_what_is_the_same_already_is_no_fact() -> None:
    assert archived().do(changes.change_dossier, SALES, ChangeDossier({"region": "浙江"})) == []


def test_contacts_are_replaced_as_a_whole_and_keep_their_ids() -> None:
    case = archived()
    second = Contact(person="p-2", name="李四", phone="+8613900139000")
    case.do(changes.change_dossier, SALES, ChangeDossier({"contacts": (CONTACT, second)}, frozenset({"p-2"})))
    assert case.state.content.contacts == (CONTACT, second)
    strange = Contact(person="p-3", name="赵六", phone="+8613900139001")
    with pytest.raises(Invalid):
        case.do(changes.change_dossier, SALES, ChangeDossier({"contacts": (strange,)}))


@pytest.mark.parametrize(("days", "late"), [(0, False), (5, False), (6, True)])
def test_a_change_is_late_after_the_fifth_day(days: int, late: bool) -> None:  # noqa: FBT001 - a parameter's value
    command = ChangeDossier({"region": "江苏", "address": "南京市 1 号"}, occurred_on=NOW - timedelta(days=days))
    changed, particulars = archived().do(changes.change_dossier, SALES, command)
    assert (changed.late, particulars.late) == (late, late)


MAJOR: list[dict[str, Any]] = [
    {"name": "新名称有限公司"},
    {"kind": CustomerKind.DEALER},
    {"identity": OTHER_USCC},
    {"legal_representative": LegalRepresentative(person="p-9", name="赵一")},
    {"bank_tax": BankTax(person="p-8", bank="工商银行杭州分行", account="1202021234567890123")},
    {"owner": "helper"},
]


def proposed(given_: dict[str, Any], by: Actor = SALES) -> Case[Dossier]:
    """An archived dossier with a major change that waits for the manager."""
    case = archived()
    case.do(changes.change_dossier, by, ChangeDossier(given_, frozenset({"p-8", "p-9"}), change="x-1"))
    return case


@pytest.mark.parametrize("given_", MAJOR)
def test_a_major_change_waits_for_the_manager_and_is_told_without_its_values(given_: dict[str, Any]) -> None:
    case = proposed(given_)
    before = archived().state
    assert (case.state.content, case.state.owner) == (before.content, before.owner)
    told = case.facts[-1]
    assert isinstance(told, CustomerChangeProposed)
    assert set(given_) <= set(told.fields)
    for value in given_.values():
        assert str(value) not in told.model_dump_json().replace(told.name, "")
    facts = case.do(changes.pass_change, MANAGER, PassChange("x-1"))
    assert [fact.change for fact in facts] == ["x-1"]
    now = {**dict(case.state.content), "owner": case.state.owner}
    assert {name: now[name] for name in given_} == given_
    assert case.state.changes == {}


def test_nobody_passes_their_own_change() -> None:
    case = proposed({"name": "新名称有限公司"}, by=MANAGER)
    with pytest.raises(Forbidden) as refused:
        case.do(changes.pass_change, MANAGER, PassChange("x-1"))
    assert refused.value.problem_code == "own-submission"
    for other in (SALES, MARKET, WEST_MANAGER, AUDITOR):
        with pytest.raises(Forbidden):
            case.do(changes.pass_change, other, PassChange("x-1"))
    (changed,) = case.do(changes.pass_change, CHIEF, PassChange("x-1"))
    assert (changed.proposed_by, changed.passed_by) == ("manager", "chief")


def test_a_delegate_is_barred_as_the_one_they_stand_in_for() -> None:
    case = proposed({"name": "新名称有限公司"}, by=MANAGER)
    mandate = Mandate("d-1", "manager", frozenset({DelegableStep.DOSSIER_CHANGE}), MANAGER.grants)
    with pytest.raises(Forbidden) as refused:
        case.do(changes.pass_change, Actor("deputy", mandates=(mandate,)), PassChange("x-1"))
    assert refused.value.problem_code == "own-submission"
    other = proposed({"name": "新名称有限公司"})
    (changed,) = other.do(changes.pass_change, Actor("deputy", mandates=(mandate,)), PassChange("x-1"))
    assert (changed.passed_by, changed.on_behalf_of) == ("deputy", "manager")


def test_a_change_is_declined_with_remarks_or_taken_back() -> None:
    for actor in (MANAGER, SALES):
        case = proposed({"identity": OTHER_USCC})
        (declined,) = case.do(changes.decline_change, actor, DeclineChange("x-1", "证照不清"))
        assert (declined.remarks, declined.declined_by) == ("证照不清", actor.id)
        assert [(claim.value, claim.release) for claim in case.claims] == [(f"uscc:{OTHER_USCC}", True)]
        with pytest.raises(NotFound):
            case.do(changes.pass_change, MANAGER, PassChange("x-1"))
    with pytest.raises(Forbidden):
        proposed({"identity": OTHER_USCC}).do(changes.decline_change, HELPER, DeclineChange("x-1", "不"))


def test_a_second_change_of_the_same_field_waits_until_the_first_is_decided() -> None:
    case = proposed({"name": "新名称有限公司"})
    with pytest.raises(Refused) as refused:
        case.do(changes.change_dossier, SALES, ChangeDossier({"name": "别的名称"}, change="x-2"))
    assert refused.value.evidence == {"change": "x-1", "fields": ["name"]}
    assert case.do(changes.change_dossier, SALES, ChangeDossier({"kind": CustomerKind.DEALER}, change="x-2"))


def test_the_rest_holds_at_once_beside_a_major_change() -> None:
    case = archived()
    command = ChangeDossier({"region": "江苏", "name": "新名称有限公司"}, change="x-1")
    case.do(changes.change_dossier, SALES, command)
    assert (case.state.content.region, case.state.content.name) == ("江苏", archived().state.content.name)


def test_a_changed_identity_is_held_from_the_proposal_on_and_the_old_one_given_back_when_passed() -> None:
    case = proposed({"identity": OTHER_USCC})
    assert [(claim.value, claim.release) for claim in case.claims] == [(f"uscc:{OTHER_USCC}", False)]
    case.do(changes.pass_change, MANAGER, PassChange("x-1"))
    assert [(claim.value, claim.release) for claim in case.claims] == [(f"uscc:{USCC}", True)]
    assert (case.state.content.identity_kind, case.state.content.identity) == (IdentityKind.USCC, OTHER_USCC)


def test_particulars_stay_inside_the_registry() -> None:
    case = archived()
    assert case.do(changes.change_dossier, SALES, ChangeDossier({"address": "宁波市 2 号", "region": "江苏"})) == [
        CustomerChanged(customer=CUSTOMER, region="江苏"),
        ParticularsChanged(customer=CUSTOMER, address="宁波市 2 号"),
    ]
    assert case.state.content.address == "宁波市 2 号"


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({"region": None}, "region"),
        ({"contacts": ()}, "contacts"),
        ({"address": None}, "address"),
        ({"nature": Nature.OTHER}, "nature_remark"),
    ],
)
def test_the_minimum_stays(given_: dict[str, Any], named: str) -> None:
    with pytest.raises(Invalid) as refused:
        archived().do(changes.change_dossier, MANAGER, ChangeDossier(given_))
    assert refused.value.evidence["fields"] == [named]


def test_nothing_changes_in_the_future_or_before_the_archive() -> None:
    with pytest.raises(Invalid, match="later than now"):
        archived().do(
            changes.change_dossier, SALES, ChangeDossier({"region": "江苏"}, occurred_on=NOW + timedelta(seconds=1))
        )
    with pytest.raises(Invalid, match="before the year 1900"):
        archived().do(changes.set_affiliation, MARKET, SetAffiliation(Affiliation.JOINT_VENTURE, "章程", LONG_AGO))
    with pytest.raises(Refused, match="edit the draft"):
        dossier().do(changes.change_dossier, SALES, ChangeDossier({"region": "江苏"}))


@pytest.mark.parametrize("actor", [STRANGER, WEST_MANAGER, AUDITOR])
def test_others_change_nothing(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        archived().do(changes.change_dossier, actor, ChangeDossier({"region": "江苏"}))


def test_affiliation_is_set_and_ended_by_the_market_department_with_proof() -> None:
    case = archived()
    for actor in (SALES, MANAGER, AUDITOR):
        with pytest.raises(Forbidden, match="市场部"):
            case.do(changes.set_affiliation, actor, SetAffiliation(Affiliation.JOINT_VENTURE, "章程"))
    (begun,) = case.do(changes.set_affiliation, MARKET, SetAffiliation(Affiliation.JOINT_VENTURE, "合资合同 2026-01"))
    assert (begun.affiliation, begun.affiliation_proof) == (Affiliation.JOINT_VENTURE, "合资合同 2026-01")
    assert case.do(changes.set_affiliation, MARKET, SetAffiliation(Affiliation.JOINT_VENTURE, "同上")) == []
    (ended,) = case.do(changes.set_affiliation, MARKET, SetAffiliation(None, "股权转让协议"))
    assert (ended.affiliation, ended.affiliation_ended) == (None, True)
    assert case.state.affiliation is None


def test_a_new_owner_is_a_salesperson_of_the_department() -> None:
    case = archived()
    assert case.do(changes.assign_owner, MANAGER, AssignOwner("helper", ("westie",))) == [
        OwnerAssigned(
            customer=CUSTOMER, owner="helper", previous_owner="sales", department=EAST, collaborators=("westie",)
        )
    ]
    assert case.state.owner == "helper"
    with pytest.raises(NotFound, match="westie"):
        case.do(changes.assign_owner, MANAGER, AssignOwner("westie", ()))
    with pytest.raises(Forbidden):
        case.do(changes.assign_owner, HELPER, AssignOwner("sales", ()))


def test_collaborators_change_without_a_new_owner() -> None:
    case = archived()
    (assigned,) = case.do(changes.assign_owner, MANAGER, AssignOwner("sales", ("helper", "helper")))
    assert (assigned.previous_owner, assigned.collaborators) == (None, ("helper",))
    assert case.do(changes.assign_owner, MANAGER, AssignOwner("sales", ("helper",))) == []


GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["甲公司", "乙公司"]),
        "kind": st.none() | st.sampled_from(list(CustomerKind)),
        "nature": st.none() | st.sampled_from(list(Nature)),
        "nature_remark": st.none() | st.just("合作社"),
        "supervising_body": st.none() | st.just("无"),
        "address": st.none() | st.text(max_size=5),
        "region": st.none() | st.sampled_from(["浙江", "江苏"]),
        "contacts": st.sampled_from([(), (CONTACT,)]),
        "important_potential": st.booleans(),
        "collaborators": st.just(("helper",)),
        "identity": st.sampled_from([None, OTHER_USCC]),
    },
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just(changes.change_dossier), st.builds(ChangeDossier, GIVEN)),
        st.tuples(
            st.just(changes.set_affiliation),
            st.builds(SetAffiliation, st.none() | st.sampled_from(list(Affiliation)), st.just("证明")),
        ),
        st.tuples(
            st.just(changes.assign_owner),
            st.builds(AssignOwner, st.sampled_from(["sales", "helper", "nobody"]), st.just(())),
        ),
    ),
    max_size=15,
)


@given(STEPS, st.lists(st.sampled_from([SALES, HELPER, STRANGER, MANAGER, MARKET, AUDITOR]), min_size=15))
def test_whatever_is_tried_an_archived_dossier_stays_complete_and_owned(
    steps: list[tuple[Any, Any]], actors: list[Actor]
) -> None:
    case = archived()
    for (decide, command), actor in zip(steps, actors, strict=False):
        facts = case.attempt(decide, actor, command)
        assert not facts or actor is not AUDITOR
        if facts and actor in (MANAGER, MARKET):
            assert case.do(decide, actor, command) == [], "what was said once is not news the second time"
    assert case.state.status is Status.ARCHIVED
    assert missing(case.state.content) == []
    assert case.state.owner in {"sales", "helper"}
