"""R3.1.2: renewed papers are passed by vetting and finance, and only then lift what their predecessors barred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest

from kehu.contracts.trade import SettlementUnitLinked, SettlementUnitRestored
from kehu.contracts.vetting import (
    AgreementRenewed,
    DocumentExpiring,
    QualificationRestored,
    RenewalReturned,
    RenewalStepPassed,
    RenewalSubmitted,
    Step,
)
from kehu.deciding import Actor, Context, Decision, Mandate, system_actor
from kehu.errors import Forbidden, Invalid, KehuError, NotFound, Refused
from kehu.facts import Fact
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications.facts import Signatory
from kehu_vetting.qualifications.form import Document
from kehu_vetting.qualifications.required_documents import POLICY_NAME, REQUIRED_DOCUMENTS
from kehu_vetting.renewals import decisions
from kehu_vetting.renewals.decisions import Gathered, PassRenewal, ReturnRenewal, SubmitRenewal
from kehu_vetting.renewals.escalating import UNANSWERED
from kehu_vetting.renewals.facts import RENEWALS, Renewal, RenewalStatus
from kehu_vetting.settlement_units import ending as unit_ending
from kehu_vetting.settlement_units.facts import UnitPaperEnding
from kehu_vetting.standing import decisions as standings
from kehu_vetting.standing import reactions
from kehu_vetting.standing.facts import STANDINGS, Standing
from kehu_vetting.testing import (
    CUSTOMER,
    FILE,
    FINANCE,
    MANAGER,
    OFFICE,
    OTHER,
    POLICIES,
    SALES,
    THIRD,
    TODAY,
    USCC,
    VETTER,
    Case,
    Trade,
    paper,
    person,
    recorded,
    third_party_form,
)

POLICY = REQUIRED_DOCUMENTS.initial
UNTIL = date(2027, 3, 31)
DAY = timedelta(days=1)
LICENCE = paper("business_licence", number=USCC, valid_until=date(2030, 3, 31))


@dataclass
class Renewing:
    """One renewal of an active customer, whose third-party payer has a licence until 2027-06-30."""

    trade: Trade = field(default_factory=lambda: Trade(Case().submitted(third_party_form()).passed(*list(Step)[:4])))
    facts: list[Fact] = field(default_factory=list[Fact])
    file: CustomerFile = FILE
    today: date = TODAY

    def __post_init__(self) -> None:
        self.trade.approve()
        self.trade.activated()

    @property
    def state(self) -> Renewal:
        return RENEWALS.fold(self.facts)

    def context(self, actor: Actor, files: frozenset[str] | None = None) -> Context:
        known = (
            frozenset({one.file_digest for one in (LICENCE, paper("three_party_agreement"))})
            if files is None
            else files
        )
        gathered = Gathered(self.file, self.trade.standing, self.trade.unit, known)
        now = self.trade.case.now + timedelta(days=(self.today - TODAY).days)
        return Context(actor, now, POLICIES, gathered)

    def submit(self, *papers: Document, actor: Actor = SALES, files: frozenset[str] | None = None, **more: Any) -> None:
        command = SubmitRenewal("r-1", CUSTOMER, papers, **more)
        self.facts += decisions.submit_renewal(command, self.state, self.context(actor, files)).facts

    def passed(self, step: Step, actor: Actor) -> list[Any]:
        states = (self.state, self.trade.standing, self.trade.unit)
        one, standing, unit = decisions.pass_renewal(PassRenewal(step), states, self.context(actor))
        self.facts += one.facts
        self.trade.standing_facts += standing.facts
        self.trade.unit_facts += unit.facts
        return [*one.facts, *standing.facts, *unit.facts]


def refusal(kind: type[KehuError], code: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> KehuError:
    with pytest.raises(kind) as caught:
        call(*arguments, **named)
    assert caught.value.problem_code == code
    assert caught.value.clause
    return caught.value


def test_a_renewal_unanswered_for_three_days_is_told_to_the_superior_and_never_passes() -> None:
    at = Renewing()
    at.submit(LICENCE)

    def fired() -> list[Any]:
        return list(UNANSWERED.fire("r-1", at.trade.case.now, at.state, at.context(person("system"))).facts)

    at.today = TODAY + 3 * DAY
    assert fired() == []
    at.today += DAY
    (told,) = fired()
    assert (told.step, told.waiting_for, told.superior) == ("renewal:vetting", ("vetter",), "dept_manager")
    assert at.state.step is Step.VETTING
    at.passed(Step.VETTING, VETTER)
    assert (fired(), at.state.answer_due_on) == ([], TODAY + 7 * DAY)
    at.today += 4 * DAY
    assert [told.step for told in fired()] == ["renewal:finance"]
    at.passed(Step.FINANCE, FINANCE)
    assert fired() == []


def test_vetting_and_finance_pass_and_only_then_the_paper_is_in_force() -> None:
    one = Renewing()
    one.submit(LICENCE)
    assert [type(fact) for fact in one.facts][-1] is RenewalSubmitted
    (passed,) = one.passed(Step.VETTING, VETTER)
    assert (passed.next_step, one.trade.standing.papers["business_licence"].valid_until) == (Step.FINANCE, None)
    facts = one.passed(Step.FINANCE, FINANCE)
    assert isinstance(facts[0], RenewalStepPassed)
    assert facts[0].next_step is None
    assert one.trade.standing.papers["business_licence"] == LICENCE
    assert one.state.status is RenewalStatus.PASSED


def test_what_the_former_paper_had_barred_is_lifted_when_the_renewed_one_is_passed() -> None:
    one = Renewing()
    context = one.context(system_actor("vetting", "x"))
    one.trade.standing_facts += standings.bar(one.trade.standing, {"document:business_licence": "到期"}, context)
    one.submit(LICENCE)
    assert not any(isinstance(fact, QualificationRestored) for fact in one.passed(Step.VETTING, VETTER))
    assert any(isinstance(fact, QualificationRestored) for fact in one.passed(Step.FINANCE, FINANCE))


def test_vetting_finance_and_whoever_handed_it_in_are_three_people() -> None:
    one = Renewing()
    one.submit(LICENCE)
    everything = person("sales", "salesperson", "vetter", "finance")
    refusal(Forbidden, "separation-of-duties", one.passed, Step.VETTING, everything)
    refusal(Forbidden, "role-required", one.passed, Step.VETTING, FINANCE)
    refusal(Refused, "out-of-order", one.passed, Step.FINANCE, FINANCE)
    mandate = Mandate("d", "sales", frozenset({"qualification:vetting"}), everything.grants)
    refusal(Forbidden, "separation-of-duties", one.passed, Step.VETTING, replace(person("b"), mandates=(mandate,)))
    mandate = Mandate("d", "vetter", frozenset({"qualification:vetting"}), VETTER.grants)
    one.passed(Step.VETTING, replace(person("b"), mandates=(mandate,)))
    for barred in ("b", "vetter"):
        refusal(Forbidden, "separation-of-duties", one.passed, Step.FINANCE, person(barred, "finance"))
    refusal(Invalid, "not-a-step", one.passed, Step.MANAGER, MANAGER)
    refusal(Forbidden, "departing", one.passed, Step.FINANCE, replace(FINANCE, departing=True))


def test_given_back_with_remarks_it_is_handed_in_anew() -> None:
    one = Renewing()
    one.submit(LICENCE)
    command = ReturnRenewal(Step.VETTING, "盖章不清")
    (fact,) = decisions.return_renewal(command, one.state, one.context(VETTER)).facts
    assert isinstance(fact, RenewalReturned)
    one.facts.append(fact)
    refusal(Refused, "not-in-review", one.passed, Step.VETTING, VETTER)
    refusal(Refused, "not-in-review", decisions.withdraw_renewal, one.state, one.context(SALES))
    blank = Renewing()
    blank.submit(LICENCE)
    refusal(
        Invalid,
        "remarks-missing",
        decisions.return_renewal,
        ReturnRenewal(Step.VETTING, " "),
        blank.state,
        blank.context(VETTER),
    )


def test_only_the_owner_hands_in_and_takes_back() -> None:
    one = Renewing()
    refusal(Forbidden, "not-the-owner", one.submit, LICENCE, actor=person("x", "salesperson"))
    one.submit(LICENCE)
    refusal(Forbidden, "not-the-owner", decisions.withdraw_renewal, one.state, one.context(VETTER))
    one.facts += decisions.withdraw_renewal(one.state, one.context(SALES)).facts
    assert one.state.status is RenewalStatus.WITHDRAWN


@pytest.mark.parametrize(
    ("papers", "code"),
    [
        ((paper("business_licence", number=OTHER),), "identity-differs"),
        ((paper("business_licence", number=USCC, valid_until=TODAY - DAY),), "expired"),
        ((paper("business_licence", number=USCC, company_seal=False),), "company-seal-missing"),
        ((paper("legal_representative_id", number="1101"),), "personal-number"),
        ((paper("taxpayer_query"),), "date-missing"),
        ((paper("horoscope"),), "unknown-document-type"),
        ((paper("three_party_agreement", issued_on=TODAY),), "agreement-misplaced"),
    ],
)
def test_a_renewed_paper_is_as_good_as_the_first_one_had_to_be(papers: tuple[Document, ...], code: str) -> None:
    found = refusal(Invalid, "unfit-renewal", Renewing().submit, *papers)
    assert code in {error["code"] for error in found.evidence["errors"]}


def test_each_paper_has_its_file_and_nothing_is_not_a_renewal() -> None:
    found = refusal(Invalid, "unfit-renewal", Renewing().submit, LICENCE, files=frozenset())
    assert {error["code"] for error in found.evidence["errors"]} == {"file-missing"}
    refusal(Invalid, "nothing-renewed", Renewing().submit)
    refusal(Invalid, "unit-missing", Renewing().submit, unit_papers=(LICENCE,))
    closed = Renewing(file=replace(FILE, closed=True))
    refusal(Refused, "customer-gone", closed.submit, LICENCE)


def test_another_payer_takes_a_new_f1() -> None:
    refusal(NotFound, "unit-not-linked", Renewing().submit, unit="u-9", unit_papers=(LICENCE,))


def test_a_payers_renewed_licence_and_agreement_take_effect_on_payer_and_link() -> None:
    one = Renewing()
    licence = paper("business_licence", number=OTHER, valid_until=date(2031, 1, 1))
    agreement = paper("three_party_agreement", issued_on=TODAY, valid_until=date(2028, 3, 31))
    one.submit(unit="u-1", unit_papers=(licence,), agreement=agreement)
    one.passed(Step.VETTING, VETTER)
    facts = one.passed(Step.FINANCE, FINANCE)
    assert one.trade.unit.papers["business_licence"] == licence
    assert one.trade.standing.payers["u-1"].valid_until == date(2028, 3, 31)
    assert any(isinstance(fact, SettlementUnitLinked) for fact in facts)
    assert one.trade.standing.default_unit == "u-1"


def test_a_payers_papers_are_told_of_each_of_its_customers_and_suspend_every_link() -> None:
    one = Renewing()
    last_day = THIRD.documents[0].valid_until
    assert last_day
    fired: list[Any] = []
    for day in (last_day - 30 * DAY, last_day, last_day, last_day + DAY, last_day + DAY):
        one.today = day
        for schedule in unit_ending.SCHEDULES:
            context = one.context(system_actor("vetting", "x"))
            facts = schedule.fire("u-1/business_licence", context.now, one.trade.unit, context).facts
            one.trade.unit_facts += facts
            fired += facts
    told = [fact for fact in fired if isinstance(fact, UnitPaperEnding)]
    assert [(fact.last_day, fact.customers) for fact in told] == [(False, (CUSTOMER,)), (True, (CUSTOMER,))]
    assert "unit-document-expired" in one.trade.bars(last_day + DAY)
    context = one.context(system_actor("vetting", "x"))
    (expiring,) = reactions.tell_of_payer(recorded(told[0]), one.trade.standing, context).facts
    assert isinstance(expiring, DocumentExpiring)
    assert (expiring.unit, expiring.document, expiring.suspends) == ("u-1", "business_licence", True)
    assert reactions.tell_of_payer(recorded(told[0]), Standing(), context).facts == ()
    assert "document:business_licence" in one.trade.unit.bars
    one.submit(unit="u-1", unit_papers=(paper("business_licence", number=OTHER, valid_until=date(2031, 1, 1)),))
    one.passed(Step.VETTING, VETTER)
    assert any(isinstance(fact, SettlementUnitRestored) for fact in one.passed(Step.FINANCE, FINANCE))
    assert not one.trade.unit.bars


# --- the agreement's renewal ---


def renewal_of_agreement(**other: Any) -> standings.RenewAgreement:
    usual = standings.RenewAgreement(
        signed_on=TODAY,
        valid_from=TODAY,
        valid_until=UNTIL,
        file_digest="e" * 64,
        ours="boss",
        theirs=Signatory(person="p-3", name="李四"),
    )
    return replace(usual, **other)


def renew(
    command: standings.RenewAgreement, actor: Actor = SALES, *, standing: Standing | None = None, **more: Any
) -> Decision:
    usual = standings.Gathered(FILE, frozenset({"e" * 64}), signatory_known=True)
    gathered = replace(usual, **more)
    one = Trade(Case().submitted().passed(*list(Step)[:4]))
    one.approve()
    state = standing or one.activated().standing
    context = Context(actor, one.case.now, {POLICY_NAME: POLICY}, gathered)
    return standings.renew_agreement(command, state, context)


def test_an_active_customers_agreement_is_renewed_without_the_chain() -> None:
    for allowed in (SALES, MANAGER, OFFICE):
        facts = renew(renewal_of_agreement(), allowed).facts
        assert isinstance(facts[0], AgreementRenewed)
        assert len(STANDINGS.fold(facts).agreements) == 1
    refusal(Forbidden, "role-required", renew, renewal_of_agreement(), FINANCE)
    refusal(Forbidden, "departing", renew, renewal_of_agreement(), replace(SALES, departing=True))
    refusal(Refused, "not-active", renew, renewal_of_agreement(), standing=Standing(customer=CUSTOMER))
    refusal(Invalid, "agreement-date", renew, renewal_of_agreement(signed_on=TODAY + DAY))
    refusal(Invalid, "agreement-validity", renew, renewal_of_agreement(valid_until=TODAY - DAY, valid_from=TODAY - DAY))
    refusal(Invalid, "file-missing", renew, renewal_of_agreement(), files=frozenset())
    refusal(Invalid, "signatory-unknown", renew, renewal_of_agreement(), signatory_known=False)
