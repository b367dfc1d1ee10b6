"""What changes in an archived dossier (R4.4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu.contracts.customers import Affiliation, Contact, CustomerChanged, CustomerKind, IdentityKind, OwnerAssigned
from kehu.deciding import Actor
from kehu.errors import Forbidden, Invalid, NotFound, Refused
from kehu_customer_registry.dossiers import changes
from kehu_customer_registry.dossiers.changes import AssignOwner, ChangeDossier, SetAffiliation
from kehu_customer_registry.dossiers.decisions import missing
from kehu_customer_registry.dossiers.facts import Nature, ParticularsChanged, Status
from kehu_customer_registry.testing import (
    AUDITOR,
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
    archived,
    dossier,
)

LONG_AGO = datetime.fromisoformat("0001-01-01T00:00:00+14:00")


def test_the_salesperson_changes_the_region_at_once_and_says_when_it_happened() -> None:
    case = archived()
    happened = NOW - timedelta(days=9)
    (changed,) = case.do(changes.change_dossier, SALES, ChangeDossier({"region": "江苏"}, occurred_on=happened))
    assert changed == CustomerChanged(customer=CUSTOMER, region="江苏", occurred_on=happened)
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


@pytest.mark.parametrize(
    "given_", [{"name": "新名称有限公司"}, {"kind": CustomerKind.DEALER}, {"identity": OTHER_USCC}]
)
def test_major_changes_are_the_managers(given_: dict[str, Any]) -> None:
    case = archived()
    for actor in (SALES, MARKET):
        with pytest.raises(Forbidden, match="manager"):
            case.do(changes.change_dossier, actor, ChangeDossier(given_))
    (changed,) = case.do(changes.change_dossier, MANAGER, ChangeDossier(given_))
    assert {name: getattr(changed, name) for name in given_} == given_


def test_a_changed_identity_moves_the_claim() -> None:
    case = archived()
    case.do(changes.change_dossier, MANAGER, ChangeDossier({"identity": OTHER_USCC}))
    assert [(claim.value, claim.release) for claim in case.claims] == [
        (f"uscc:{OTHER_USCC}", False),
        (f"uscc:{USCC}", True),
    ]
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
