"""R3.1.3 as properties: whatever people try, in whatever order and roles, the chain holds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kehu.contracts.vetting import (
    AgentActivated,
    AgreementSigned,
    QualificationApproved,
    QualificationReturned,
    QualificationStepPassed,
    QualificationSubmitted,
    SignoffsVoided,
    Step,
)
from kehu.deciding import Actor, Grant, Mandate, system_actor
from kehu.errors import KehuError
from kehu_vetting.qualifications import decisions, signing
from kehu_vetting.qualifications.facts import (
    ORDER,
    BundleFrozen,
    FinanceFactsNoted,
    Finding,
    FormChanged,
    Status,
)
from kehu_vetting.qualifications.form import FinanceFacts
from kehu_vetting.qualifications.reactions import void_changed
from kehu_vetting.standing.facts import ReviewDoubted
from kehu_vetting.testing import CUSTOMER, DEPARTMENT, FILE, Case, agreement, complete_form, recorded

PEOPLE = st.sampled_from(["sales", "other", "vera", "fang", "mei", "gao", "wang", "li"])
ROLES = st.sampled_from(["salesperson", "vetter", "finance", "dept_manager", "gm_office", "general_manager"])
STEPS = st.sampled_from(ORDER)
SIGNED_STEPS = ORDER[:5]
SYSTEM = system_actor("vetting", "void-changed")
ROLE_OF = {
    Step.VETTING: "vetter",
    Step.FINANCE: "finance",
    Step.MANAGER: "dept_manager",
    Step.REGISTRATION: "gm_office",
    Step.GENERAL_MANAGER: "general_manager",
}


class Chain(RuleBasedStateMachine):
    """People change roles and try everything on one qualification; what is recorded is checked after each attempt."""

    @initialize()
    def begin(self) -> None:
        self.case = Case().drafted()
        self.roles: dict[str, set[str]] = {"sales": {"salesperson"}}
        #: The digest that whoever signed last had seen.
        self.seen = ""
        #: What everybody was, and how often the dossier had changed, when a fact was recorded.
        self.held: dict[int, dict[str, set[str]]] = {}
        self.changes: dict[int, int] = {}
        #: Whom somebody may stand in for, at which step (委托).
        self.mandates: dict[str, set[tuple[str, Step]]] = {}

    def grants(self, name: str) -> tuple[Grant, ...]:
        return tuple(Grant(role, DEPARTMENT) for role in sorted(self.roles.get(name, set())))

    def actor(self, name: str) -> Actor:
        mandates = tuple(
            Mandate("d", principal, frozenset({f"qualification:{step.value}"}), self.grants(principal))
            for principal, step in sorted(self.mandates.get(name, set()))
        )
        return Actor(id=name, grants=self.grants(name), mandates=mandates)

    def attempt(self, call: object, name: str, command: object = None) -> None:
        before = len(self.case.facts)
        try:
            self.case.do(call, self.actor(name), command)  # pyright: ignore[reportArgumentType] - any decision
        except KehuError:
            assert len(self.case.facts) == before
        for fact in range(before, len(self.case.facts)):
            self.held[fact] = {person: set(roles) for person, roles in self.roles.items()}
            self.changes[fact] = self.case.file.changes

    @rule(name=PEOPLE, role=ROLES)
    def promote(self, name: str, role: str) -> None:
        self.roles.setdefault(name, set()).add(role)

    @rule(name=PEOPLE)
    def demote(self, name: str) -> None:
        self.roles.pop(name, None)

    @rule(name=PEOPLE, principal=PEOPLE, step=STEPS)
    def appoint(self, name: str, principal: str, step: Step) -> None:
        """Also in circles, and for oneself: nothing but the signatures is to hold."""
        self.mandates.setdefault(name, set()).add((principal, step))

    @rule(heard=st.booleans())
    def change_dossier(self, heard: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        """The representative is another one; whether the review has heard of it yet makes no difference."""
        self.case.file = replace(self.case.file, changes=self.case.file.changes + 1)
        if heard:
            doubted = ReviewDoubted(customer=CUSTOMER, qualification="q-1", changes=self.case.file.changes)
            self.case.facts += void_changed(recorded(doubted), self.case.state, self.case.context(SYSTEM)).facts

    @rule(owner=PEOPLE)
    def hand_over(self, owner: str) -> None:
        self.roles.setdefault(owner, set()).add("salesperson")
        self.case.file = replace(self.case.file, owner=owner)

    @rule(name=st.sampled_from([FILE.name, "杭州丙丁贸易有限公司"]))
    def rename(self, name: str) -> None:
        self.case.rename(name)

    @rule(name=PEOPLE, scope=st.sampled_from(["销售", "服务"]))
    def change(self, name: str, scope: str) -> None:
        self.attempt(decisions.change_form, name, decisions.ChangeForm(complete_form(scope=scope)))

    @rule()
    def submit(self) -> None:
        self.roles.setdefault(self.case.file.owner, set()).add("salesperson")
        self.attempt(decisions.submit_qualification, self.case.file.owner)

    @rule(name=PEOPLE, text=st.sampled_from(["一", "二"]))
    def note(self, name: str, text: str) -> None:
        self.roles.setdefault(name, set()).add("finance")
        facts = FinanceFacts(credit_review=text, evidence="征信")
        self.attempt(decisions.note_finance_facts, name, decisions.NoteFinanceFacts(facts))

    @rule()
    def look(self) -> None:
        self.seen = self.case.state.bundle.digest if self.case.state.bundle else ""

    @rule(name=PEOPLE, step=STEPS, absent=st.sampled_from([None, None, "外出"]))
    def sign(self, name: str, step: Step, absent: str | None) -> None:
        self.attempt(signing.pass_step, name, signing.PassStep(step, self.seen, in_absence=absent))

    @rule(names=st.lists(PEOPLE, min_size=1, max_size=8), looking=st.sampled_from([True, True, False]))
    def go_on(self, names: list[str], looking: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        """People with the role of the step whose turn it is try one after another; this is how far runs get."""
        if self.case.state.status in (Status.DRAFT, Status.RETURNED):
            self.submit()
        for name in names:
            step = self.case.state.step
            if step is not None and step in ROLE_OF:
                if looking:
                    self.look()
                self.roles.setdefault(name, set()).add(ROLE_OF[step])
                self.attempt(signing.pass_step, name, signing.PassStep(step, self.seen))

    @rule(name=PEOPLE, step=STEPS, to=st.none() | STEPS)
    def give_back(self, name: str, step: Step, to: Step | None) -> None:
        remarks = (Finding(field="", text="请核对"),)
        self.attempt(signing.return_qualification, name, signing.ReturnQualification(step, to, remarks))

    @rule(stranger=st.none() | PEOPLE, later=st.sampled_from([False, False, True]))
    def agree(self, stranger: str | None, later: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        name = stranger or self.case.file.owner
        self.roles.setdefault(self.case.file.owner, set()).add("salesperson")
        today = self.case.context(self.actor(name)).today
        first_day = today.replace(year=today.year + 1) if later else today
        self.attempt(signing.sign_agreement, name, agreement(valid_from=first_day, valid_until=None))

    @invariant()
    def the_chain_holds(self) -> None:
        Reading(self.held, self.changes).read(self.case)

    def teardown(self) -> None:
        event(f"ended {self.case.state.status}")


class Reading:
    """Reads what was recorded by the policy's own words, without the state that the decisions go by."""

    def __init__(self, held: dict[int, dict[str, set[str]]], changes: dict[int, int]) -> None:
        self.held = held
        self.changes = changes
        self.frozen_at = 0
        self.holding: dict[Step, QualificationStepPassed] = {}
        self.ever: dict[str, set[Step]] = {}
        self.writers: set[str] = set()
        self.finance_writers: set[str] = set()
        self.digest = ""
        self.approved = self.agreed = False

    def read(self, case: Case) -> None:  # noqa: C901 - one case per fact
        for place, fact in enumerate(case.facts):
            match fact:
                case FormChanged():
                    self.writers.add(fact.changed_by)
                case FinanceFactsNoted():
                    self.finance_writers |= {fact.noted_by, fact.on_behalf_of or fact.noted_by}
                case BundleFrozen():
                    self.digest = fact.digest
                    self.frozen_at = fact.changes
                case QualificationSubmitted():
                    self.writers.add(fact.submitted_by)
                    self.void(Step.VETTING)
                case SignoffsVoided():
                    self.void(fact.from_step)
                case QualificationReturned():
                    self.void(fact.to_step or Step.VETTING)
                case QualificationStepPassed():
                    assert self.changes[place] == self.frozen_at, "signed what the dossier no longer says"
                    self.signed(fact, self.held[place])
                case QualificationApproved():
                    assert list(self.holding) == list(SIGNED_STEPS)
                    self.approved = True
                case AgreementSigned():
                    assert self.approved
                    self.agreed = True
                case AgentActivated():
                    assert self.agreed
                    self.four_different_people()
                case _:
                    """Says nothing of who signed what."""

    def void(self, step: Step) -> None:
        self.approved = False
        for later in ORDER[ORDER.index(step) :]:
            self.holding.pop(later, None)

    def signed(self, fact: QualificationStepPassed, held: dict[str, set[str]]) -> None:
        assert list(self.holding) == list(ORDER[: ORDER.index(fact.step)]), "out of order"
        assert fact.digest == self.digest, "signed something else"
        entitled = fact.on_behalf_of or fact.signed_by
        assert (ROLE_OF[fact.step] if fact.in_absence is None else "general_manager") in held.get(entitled, set())
        assert fact.in_absence is None or fact.step is Step.REGISTRATION
        for person in people(fact):
            assert person not in self.writers, "signed their own"
            others = self.ever.setdefault(person, set()) - {fact.step}
            assert others <= {Step.REGISTRATION, Step.GENERAL_MANAGER}, "signed twice"
            if person in self.finance_writers:
                assert fact.step is Step.FINANCE
            self.ever[person].add(fact.step)
        self.holding[fact.step] = fact

    def four_different_people(self) -> None:
        four = [Step.VETTING, Step.FINANCE, Step.MANAGER, Step.GENERAL_MANAGER]
        signers = [people(self.holding[step]) for step in four]
        assert len(frozenset[str]().union(*signers)) == sum(len(one) for one in signers)
        registered = self.holding[Step.REGISTRATION]
        if people(registered) & frozenset[str]().union(*signers):
            assert people(registered) & people(self.holding[Step.GENERAL_MANAGER])
            assert registered.in_absence


def people(fact: QualificationStepPassed) -> frozenset[str]:
    """Who signed, and for whom: they count alike."""
    return frozenset({fact.signed_by, fact.on_behalf_of or fact.signed_by})


Chain.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestChain = Chain.TestCase
