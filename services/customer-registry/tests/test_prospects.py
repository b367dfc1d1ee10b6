"""The whole form (F4): people, consents, bank and tax, lists; relations; duplicates; taking over; closing (R4)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kehu.calendar import Month
from kehu.contracts.customers import (
    Consent,
    ConsentPurpose,
    Contact,
    ContractVolumeReported,
    CustomerClosed,
    CustomerKind,
    CustomerRegistered,
    CustomerReopened,
    CustomerTakenOver,
    DossierSubmitted,
    OwnerAssigned,
    Relation,
    RelationDeclined,
    RelationRequested,
)
from kehu.contracts.grading import Grade
from kehu.deciding import Actor, Context
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.facts import Fact
from kehu.monthdays import MonthDay
from kehu.privacy import personal_paths
from kehu_customer_registry.commitments.facts import COMMITMENTS, CommitmentHeard, Heard
from kehu_customer_registry.dossiers import changes, closing, decisions, relations, taking_over
from kehu_customer_registry.dossiers.changes import ChangeDossier
from kehu_customer_registry.dossiers.closing import CloseCustomer, ReopenCustomer
from kehu_customer_registry.dossiers.content import REGIONS, standard_region
from kehu_customer_registry.dossiers.decisions import Around, CheckDuplicate, EditDossier, Resembling, ReturnDossier
from kehu_customer_registry.dossiers.facts import Dossier, DossierDrafted, MonthTakenOver, Status
from kehu_customer_registry.dossiers.form import DraftForm
from kehu_customer_registry.dossiers.relations import AgreeToRelation, DeclineRelation, RequestRelation
from kehu_customer_registry.dossiers.resembling import address_key
from kehu_customer_registry.dossiers.taking_over import ProposeTakeOver
from kehu_customer_registry.testing import (
    AUDITOR,
    CHIEF,
    CONTACT,
    CUSTOMER,
    FORCE,
    HELPER,
    MANAGER,
    MARKET,
    NOW,
    POLICIES,
    SALES,
    SELLING_MANAGER,
    STRANGER,
    WEST_MANAGER,
    Case,
    archived,
    close_free,
    dossier,
    person,
    submitted,
)
from kehu_customer_registry.volumes.facts import VOLUMES, Volumes

IDS = [f"new-{number}" for number in range(10)]
DIGEST = "a" * 64
WESTIE = person("westie", "salesperson", department="west")


def form(**fields: Any) -> dict[str, Any]:
    return DraftForm.model_validate({"name": "甲公司", "department": "east", **fields}).given(IDS)


def refusals(**fields: Any) -> set[str]:
    with pytest.raises(ValidationError) as refused:
        form(**fields)
    return {error["type"] for error in refused.value.errors()}


# --- the form --------------------------------------------------------------------------------------------------------


def test_a_contact_has_several_phones_a_post_a_birthday_and_anniversaries() -> None:
    contact = {
        "name": "王小明",
        "phone": "13800138000",
        "further_phones": ["010-62345678", "13800138000"],
        "post": "general_manager",
        "birthday": {"calendar": "lunar", "month": 12, "day": 30},
        "anniversaries": [{"what": "公司周年", "month": 2, "day": 29}],
    }
    (kept,) = form(contacts=[contact])["contacts"]
    assert (kept.phone, kept.further_phones) == ("+8613800138000", ("+861062345678",))
    assert kept.birthday == "lunar:12-30"
    assert [(one.what, one.day, one.person) for one in kept.anniversaries] == [("公司周年", "solar:02-29", "new-0")]


@pytest.mark.parametrize(
    "day",
    [
        {"month": 2, "day": 30},
        {"month": 4, "day": 31},
        {"month": 13, "day": 1},
        {"month": 1, "day": 0},
        {"calendar": "lunar", "month": 1, "day": 31},
        {"month": 1, "day": 1, "leap": True},
        {"month": 1, "day": 1, "year": 1980},
    ],
)
def test_a_day_that_cannot_be_is_refused(day: dict[str, Any]) -> None:
    assert refusals(contacts=[{"name": "王", "phone": "13800138000", "birthday": day}])


@given(st.sampled_from(["solar", "lunar"]), st.integers(1, 12), st.integers(1, 28), st.booleans())
def test_a_day_of_the_year_is_read_as_it_was_written(calendar: Any, month: int, day: int, leap: Any) -> None:
    written = MonthDay(calendar, month, day, leap and calendar == "lunar")
    assert MonthDay.parse(str(written)) == written


def test_a_consent_has_a_purpose_a_time_and_may_be_withdrawn() -> None:
    given_at = NOW - timedelta(days=9)
    consents = [
        {"purpose": "marketing", "given_at": given_at.isoformat(), "withdrawn_at": NOW.isoformat()},
        {"purpose": "birthday", "given_at": given_at.isoformat(), "evidence": "名片背面签字"},
    ]
    (kept,) = form(contacts=[{"name": "王", "phone": "13800138000", "consents": consents}])["contacts"]
    assert kept.marketing_consent_at is None, "it was withdrawn"
    standing = [consents[0] | {"withdrawn_at": None}]
    (kept,) = form(contacts=[{"name": "王", "phone": "13800138000", "consents": standing}])["contacts"]
    assert kept.marketing_consent_at == given_at
    wrong = [consents[0] | {"withdrawn_at": (given_at - timedelta(days=1)).isoformat()}]
    assert refusals(contacts=[{"name": "王", "phone": "13800138000", "consents": wrong}]) == {"consent_order"}


def test_a_withdrawn_consent_is_not_edited_back_into_force() -> None:
    given_ = Consent(purpose=ConsentPurpose.MARKETING, given_at=NOW - timedelta(days=9))
    withdrawn = given_.model_copy(update={"withdrawn_at": NOW})

    def contacts(*consents: Consent) -> tuple[Contact, ...]:
        return (CONTACT.model_copy(update={"consents": consents}),)

    case = archived(contacts=contacts(given_))
    case.do(changes.change_dossier, SALES, ChangeDossier({"contacts": contacts(withdrawn)}))
    with pytest.raises(Invalid) as refused:
        case.do(changes.change_dossier, SALES, ChangeDossier({"contacts": contacts(given_)}))
    assert refused.value.problem_code == "consent-withdrawn"
    anew = given_.model_copy(update={"given_at": NOW})
    assert case.do(changes.change_dossier, SALES, ChangeDossier({"contacts": contacts(withdrawn, anew)}))


def test_bank_and_tax_stand_in_one_form_and_what_is_a_persons_is_sealed() -> None:
    kept = form(
        bank_tax={
            "bank": "工商银行",
            "account": "1202 0212-3456 7890",
            "tax_number": "９１１１００００600037341l",
            "invoicing_phone": "0571-88888888",
        },
        legal_representative={"name": "赵一"},
    )
    assert kept["bank_tax"].account == "1202021234567890"
    assert kept["bank_tax"].tax_number == "91110000600037341L"
    assert {kept["bank_tax"].person, kept["legal_representative"].person} == {"new-0", "new-1"}
    sealed = personal_paths(DossierDrafted)
    for field in ("bank_tax.account", "bank_tax.invoicing_phone", "legal_representative.name"):
        assert f"$.content.{field}" in sealed
    for field in ("name", "phone", "further_phones[*]", "birthday", "anniversaries[*].day"):
        assert f"$.content.contacts[*].{field}" in sealed


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"bank_tax": {"account": "=1+1"}}, "bank_account"),
        ({"bank_tax": {"account": "1" * 101}}, "string_too_long"),
        ({"bank_tax": {"tax_number": "123"}}, "tax_number"),
        ({"region": "华东"}, "region_unknown"),
        ({"region": "浙\0江"}, "region_unknown"),
        ({"contacts": [{"name": "王", "phone": "13800138000", "post": "other"}]}, "post_remark"),
        ({"contacts": [{"name": "王", "phone": "13800138000", "post": "boss"}]}, "enum"),
        ({"name": "名" * 500}, "text_long"),
        ({"dealings": "长" * 1_000_000}, "text_long"),
        ({"dealings": "a\0b"}, "text_control"),
    ],
)
def test_what_is_on_no_list_or_cannot_be_is_refused(fields: dict[str, Any], code: str) -> None:
    assert code in refusals(**fields)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("浙江", "浙江"),
        ("浙江省", "浙江"),
        ("330000", "浙江"),
        ("３３００００", "浙江"),
        ("内蒙古自治区", "内蒙古"),
        ("境外", "境外"),
    ],
)
def test_a_region_is_one_of_the_standard_list_however_it_is_written(written: str, kept: str) -> None:
    assert form(region=written)["region"] == kept


def test_every_region_is_itself() -> None:
    assert {standard_region(name) for name in REGIONS.values()} == set(REGIONS.values())


def test_other_takes_a_remark() -> None:
    with pytest.raises(Refused) as refused:
        dossier(region="其他").do(decisions.submit_dossier, SALES)
    assert refused.value.evidence["missing"] == ["region_remark"]
    assert dossier(region="其他", region_remark="国际海域").do(decisions.submit_dossier, SALES)


def test_somebody_entered_again_without_their_id_keeps_it() -> None:
    first = form(legal_representative={"name": "赵一"}, bank_tax={"bank": "工商银行"})
    again = DraftForm.model_validate(
        {
            "name": "甲公司",
            "department": "east",
            "legal_representative": {"name": "赵一"},
            "bank_tax": {"bank": "工商银行"},
        }
    ).given([f"later-{number}" for number in range(2)])
    case = dossier()
    case.do(decisions.edit_dossier, SALES, EditDossier(first, frozenset(IDS)))
    assert case.do(decisions.edit_dossier, SALES, EditDossier(again, frozenset({"later-0", "later-1"}))) == []


# --- relations -------------------------------------------------------------------------------------------------------

ASK = RequestRelation("r-1", CustomerKind.DEALER, "四川", "在四川另有经销")


def asked() -> Case[Dossier]:
    """A customer of the east with whom a salesperson of the west wants to deal."""
    case = archived()
    case.do(relations.request_relation, WESTIE, ASK)
    return case


def test_who_may_not_open_a_second_dossier_asks_for_a_relation_and_collaborates() -> None:
    case = asked()
    assert isinstance(case.facts[-1], RelationRequested)
    assert case.do(relations.request_relation, WESTIE, ASK) == []
    relation = Relation(kind=CustomerKind.DEALER, region="四川", salesperson="westie")
    (assigned,) = case.do(relations.agree_to_relation, MANAGER, AgreeToRelation("r-1"))
    assert assigned == OwnerAssigned(
        customer=CUSTOMER,
        owner="sales",
        department="east",
        collaborators=("westie",),
        relations=(relation,),
        change="r-1",
    )
    assert case.state.content.relations == (relation,)
    assert case.state.requests == {}
    assert case.do(relations.request_relation, WESTIE, ASK) == []


def test_a_relation_is_declined_or_taken_back() -> None:
    for actor in (MANAGER, WESTIE):
        (declined,) = asked().do(relations.decline_relation, actor, DeclineRelation("r-1", "已有人负责"))
        assert isinstance(declined, RelationDeclined)
        assert declined.declined_by == actor.id
    with pytest.raises(Forbidden):
        asked().do(relations.decline_relation, STRANGER, DeclineRelation("r-1", "不"))
    with pytest.raises(NotFound):
        archived().do(relations.decline_relation, MANAGER, DeclineRelation("r-9", "不"))


@pytest.mark.parametrize("actor", [SALES, WESTIE, WEST_MANAGER, MARKET, AUDITOR])
def test_only_the_customers_manager_agrees_to_a_relation(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        asked().do(relations.agree_to_relation, actor, AgreeToRelation("r-1"))


def test_a_manager_does_not_agree_to_their_own_request() -> None:
    case = archived()
    case.do(relations.request_relation, SELLING_MANAGER, ASK)
    with pytest.raises(Forbidden) as refused:
        case.do(relations.agree_to_relation, SELLING_MANAGER, AgreeToRelation("r-1"))
    assert refused.value.problem_code == "own-submission"


@pytest.mark.parametrize("actor", [MANAGER, MARKET, person("w", "salesperson", departing=True)])
def test_who_sells_nothing_or_is_leaving_asks_for_no_relation(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        archived().do(relations.request_relation, actor, ASK)


def test_who_stands_in_a_relation_collaborates_and_stops_with_it() -> None:
    relation = Relation(kind=CustomerKind.DEALER, region="四川", salesperson="westie")
    case = dossier(collaborators=("helper",), relations=(relation,))
    assert case.state.content.collaborators == ("helper", "westie")
    case.do(decisions.edit_dossier, SALES, EditDossier({"relations": ()}))
    assert case.state.content.collaborators == ("helper",)


# --- duplicates ------------------------------------------------------------------------------------------------------

OTHER = Resembling("c-2", "K000002", "west", ("name", "phone"))


def test_a_dossier_that_resembles_another_is_submitted_once_somebody_has_said_why() -> None:
    case = dossier()
    case.gathered = Around((OTHER,))
    with pytest.raises(Refused) as refused:
        case.do(decisions.submit_dossier, SALES)
    assert refused.value.problem_code == "duplicates-undecided"
    assert refused.value.evidence["duplicates"] == [
        {"number": "K000002", "department": "west", "matches": ["name", "phone"]}
    ]
    decided = CheckDuplicate("c-2", "K000002", "同名不同址,法定代表人不同")
    assert case.do(decisions.check_duplicate, SALES, decided)
    assert case.do(decisions.check_duplicate, SALES, decided) == []
    assert case.do(decisions.submit_dossier, SALES)


def test_only_its_own_salespeople_decide_on_duplicates() -> None:
    for actor in (STRANGER, MANAGER, AUDITOR):
        with pytest.raises(Forbidden):
            dossier().do(decisions.check_duplicate, actor, CheckDuplicate("c-2", "K000002", "不同"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("杭州市西湖区文三路 1 号", "杭州市西湖区文三路１号"),
        ("杭州市西湖区文三路1号(东楼)", "杭州市西湖区文三路1号 东楼"),
    ],
)
def test_writings_of_one_address_meet(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


def test_an_address_that_says_nothing_meets_no_other() -> None:
    assert address_key("无") is None


# --- taking over -----------------------------------------------------------------------------------------------------

LAST = Month(2026, 10)
AS_IT_STANDS = ProposeTakeOver(
    evidence_digest=DIGEST,
    active_since=date(2024, 3, 1),
    agreement_signed_on=date(2024, 2, 20),
    agreement_digest="b" * 64,
    visited_on=date(2026, 9, 1),
    grade=Grade.A,
    graded_year=2025,
    volumes=tuple(MonthTakenOver(month=LAST - back, amount_fen=500 - back) for back in range(12)),
)


def confirm(case: Case[Dossier], actor: Actor) -> list[Any]:
    """Both streams' facts."""
    found = taking_over.confirm_take_over((case.state, Volumes()), Context(actor, NOW, POLICIES))
    case.facts += found[0].facts
    return [*found[0].facts, *found[1].facts]


def to_take_over(by: Actor = SALES, command: ProposeTakeOver = AS_IT_STANDS) -> Case[Dossier]:
    case = dossier()
    case.do(taking_over.propose_take_over, by, command)
    return case


def test_an_existing_customer_is_taken_over_as_it_stands_by_two_people() -> None:
    case = to_take_over()
    assert isinstance(handed_in := case.facts[-1], DossierSubmitted)
    assert handed_in.take_over
    registered, taken_over, *volumes = confirm(case, MANAGER)
    assert isinstance(registered, CustomerRegistered)
    assert registered.taken_over
    assert isinstance(taken_over, CustomerTakenOver)
    assert (taken_over.active_since, taken_over.grade, taken_over.confirmed_by) == (date(2024, 3, 1), "A", "manager")
    assert [(one.month, one.amount_fen, one.late) for one in volumes] == [
        (LAST - back, 500 - back, False) for back in reversed(range(12))
    ]
    assert all(isinstance(one, ContractVolumeReported) for one in volumes)
    assert VOLUMES.fold(volumes).months[LAST].amount_fen == 500
    assert case.state.status is Status.ARCHIVED


def test_the_second_person_is_neither_the_first_nor_the_owner() -> None:
    for by, actor in ((SALES, SALES), (MANAGER, MANAGER), (MARKET, MARKET), (MANAGER, person("sales", "market_dept"))):
        with pytest.raises(Forbidden):
            confirm(to_take_over(by), actor)
    for actor in (HELPER, WEST_MANAGER, AUDITOR):
        with pytest.raises(Forbidden):
            confirm(to_take_over(), actor)
    assert confirm(to_take_over(MANAGER), MARKET)
    assert confirm(to_take_over(MANAGER), CHIEF)


def test_it_is_not_passed_like_any_other_and_may_be_returned() -> None:
    case = to_take_over()
    with pytest.raises(Refused, match="confirm"):
        case.do(decisions.pass_dossier, MANAGER)
    case.do(decisions.return_dossier, MANAGER, ReturnDossier("缺协议"))
    assert (case.state.status, case.state.take_over) == (Status.RETURNED, None)
    with pytest.raises(Refused):
        confirm(submitted(), MANAGER)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"agreement_digest": None}, "take-over-inconsistent"),
        ({"agreement_signed_on": None}, "take-over-inconsistent"),
        ({"agreement_valid_until": date(2020, 1, 1)}, "take-over-inconsistent"),
        ({"graded_year": None}, "take-over-inconsistent"),
        ({"visited_on": date(2026, 12, 1)}, "occurred-in-future"),
        ({"graded_year": 2027}, "occurred-in-future"),
        ({"volumes": (MonthTakenOver(month=LAST + 1, amount_fen=1),)}, "months-invalid"),
        ({"volumes": (MonthTakenOver(month=LAST, amount_fen=1),) * 2}, "months-invalid"),
    ],
)
def test_what_cannot_be_so_is_not_taken_over(other: dict[str, Any], code: str) -> None:
    said = {name: getattr(AS_IT_STANDS, name) for name in ProposeTakeOver.__dataclass_fields__}
    with pytest.raises(KehuError) as refused:
        to_take_over(command=ProposeTakeOver(**{**said, **other}))
    assert refused.value.problem_code == code


def test_a_dossier_without_its_minimum_is_not_taken_over() -> None:
    with pytest.raises(Refused) as refused:
        dossier(contacts=()).do(taking_over.propose_take_over, SALES, AS_IT_STANDS)
    assert refused.value.problem_code == "dossier-incomplete"


# --- closing ---------------------------------------------------------------------------------------------------------


def test_a_customer_is_closed_and_reopened_by_its_manager() -> None:
    case = archived()
    for actor in (SALES, MARKET, WEST_MANAGER, AUDITOR):
        with pytest.raises(Forbidden):
            case.do(close_free, actor, CloseCustomer("不再经营"))
    (closed,) = case.do(close_free, MANAGER, CloseCustomer("不再经营"))
    assert isinstance(closed, CustomerClosed)
    for decide, actor, command in (
        (changes.change_dossier, SALES, ChangeDossier({"region": "江苏"})),
        (relations.request_relation, WESTIE, ASK),
        (close_free, MANAGER, CloseCustomer("再次")),
    ):
        with pytest.raises(Refused):
            case.do(decide, actor, command)
    (reopened,) = case.do(closing.reopen_customer, MANAGER, ReopenCustomer("恢复经营"))
    assert isinstance(reopened, CustomerReopened)
    assert case.do(changes.change_dossier, SALES, ChangeDossier({"region": "江苏"}))


@pytest.mark.parametrize(
    "facts",
    [
        [CommitmentHeard(customer=CUSTOMER, heard=Heard.REVIEW_OPENED, thing="q-1")],
        [CommitmentHeard(customer=CUSTOMER, heard=Heard.RELEASED, thing="o-1", batch=1, amount_fen=100)],
    ],
)
def test_a_customer_with_an_open_review_or_released_goods_is_not_closed(facts: list[Fact]) -> None:
    case = archived()
    with pytest.raises(Refused) as refused:
        case.do(closing.close_customer, MANAGER, CloseCustomer("停业"), holds=COMMITMENTS.fold(facts))
    assert refused.value.problem_code == "still-committed"
    assert refused.value.evidence["reviews"] or refused.value.evidence["batches"]


def test_a_customer_whose_owner_has_left_is_not_reopened_without_another() -> None:
    case = archived()
    case.do(close_free, MANAGER, CloseCustomer("不再经营"))
    case.gathered = type(FORCE)({})
    with pytest.raises(NotFound):
        case.do(closing.reopen_customer, MANAGER, ReopenCustomer("恢复经营"))
