"""What tests of vetting stand on: a customer, its people, a complete F1, and a case that commands are tried on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.contracts.vetting import Step
from kehu.deciding import Actor, Context, Decision, Grant
from kehu.escalating import ESCALATION
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu.testing.papers import small_pdf
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.qualifications import approving, decisions, signing
from kehu_vetting.qualifications.decisions import Gathered
from kehu_vetting.qualifications.facts import ORDER, QUALIFICATIONS, Bundle, Qualification, Signatory
from kehu_vetting.qualifications.form import (
    CreditConclusion,
    CreditRating,
    Document,
    Form,
    LegalRepresentative,
    SalesChannel,
    SettlementUnit,
)
from kehu_vetting.qualifications.required_documents import POLICY_NAME, REQUIRED_DOCUMENTS
from kehu_vetting.settlement_units.facts import SETTLEMENT_UNITS, Unit
from kehu_vetting.standing.facts import STANDINGS, ActivationNoted, AgreementNoted, Standing
from kehu_vetting.standing.ordering import may_order

POLICIES = {POLICY_NAME: REQUIRED_DOCUMENTS.initial, ESCALATION.name: ESCALATION.initial}
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
DEPARTMENT = "east"
USCC = "91110000600037341L"
CUSTOMER = "c-1"

FILE = CustomerFile(
    customer=CUSTOMER,
    number="KH-0001",
    name="杭州甲乙贸易有限公司",
    kind=CustomerKind.PROVINCIAL_AGENT,
    identity_kind=IdentityKind.USCC,
    identity=USCC,
    department=DEPARTMENT,
    owner="sales",
)


def person(name: str, *roles: str, department: str | None = DEPARTMENT) -> Actor:
    """Somebody with roles in a department, or (None) in the whole company."""
    return Actor(id=name, grants=tuple(Grant(role, department) for role in roles))


SALES = person("sales", "salesperson")
VETTER = person("vetter", "vetter")
FINANCE = person("finance", "finance", department=None)
MANAGER = person("manager", "dept_manager")
OFFICE = person("office", "gm_office", department=None)
GENERAL_MANAGER = person("boss", "general_manager", department=None)
SIGNERS = {
    Step.VETTING: VETTER,
    Step.FINANCE: FINANCE,
    Step.MANAGER: MANAGER,
    Step.REGISTRATION: OFFICE,
    Step.GENERAL_MANAGER: GENERAL_MANAGER,
}


def paper(kind: str, **other: Any) -> Document:
    """A paper with everything that is asked of one; its file's digest follows from its kind."""
    seen = {"copy_held": True, "company_seal": True, "original_seen": True}
    return Document.model_validate(
        {"type": kind, "file_digest": hashlib.sha256(kind.encode()).hexdigest(), **seen, **other}
    )


REPRESENTATIVE = LegalRepresentative(person="p-1", name="王小明", id_number="110101199003070011", blind="blind-1")
PAYER = SettlementUnit(
    name=FILE.name, identity_kind=IdentityKind.USCC, identity=USCC, bank="中国银行杭州分行", account="350000000001"
)
DOCUMENTS = (
    paper("business_licence", number=USCC, issuer="杭州市市场监督管理局"),
    paper("basic_account"),
    paper("taxpayer_query", issued_on=date(2026, 11, 1)),
    paper("invoicing_information"),
    paper("legal_representative_id", valid_until=date(2030, 1, 1)),
)


def complete_form(**other: Any) -> Form:
    """F1 with everything that a company needs, and whatever is said otherwise."""
    form = Form(
        channel=SalesChannel(territory="浙江省", description="覆盖省内十一个地市的二级经销网络"),
        settlement_unit=PAYER,
        legal_representative=REPRESENTATIVE,
        capital_fen=1_000_000_000,
        scope="销售",
        credit=CreditConclusion(rating=CreditRating.GOOD, conclusion="无不良记录", evidence="信用报告 2026-11-01"),
        documents=DOCUMENTS,
    )
    return form.model_copy(update=other)


@dataclass
class Case:
    """One qualification: the facts recorded so far, and commands to try on it.

    Args:
        file: of the customer, as vetting knows it at the moment.
        now: the policy's time.
        facts: recorded so far.
        signatory_known: whether whoever signed for us is on the staff.

    """

    file: CustomerFile = FILE
    now: datetime = NOW
    facts: list[Fact] = field(default_factory=list[Fact])
    signatory_known: bool = True

    @property
    def state(self) -> Qualification:
        """What the facts add up to."""
        return QUALIFICATIONS.fold(self.facts)

    @property
    def bundle(self) -> Bundle:
        """What is to be signed."""
        bundle = self.state.bundle
        if bundle is None:
            raise AssertionError("Nothing has been submitted.")
        return bundle

    def context(self, actor: Actor) -> Context:
        """What a decision gets to know."""
        return Context(
            actor,
            self.now,
            POLICIES,
            Gathered(self.file, signatory_known=self.signatory_known),
        )

    def do(self, decide: Callable[..., Decision], actor: Actor, command: Any = None) -> list[Any]:
        """Decide, and record what follows from it."""
        arguments = [self.state, self.context(actor)] if command is None else [command, self.state, self.context(actor)]
        decision = decide(*arguments)
        self.facts += decision.facts
        return list(decision.facts)

    def drafted(self, form: Form | None = None, qualification: str = "q-1") -> Case:
        """With F1 begun."""
        draft = decisions.DraftQualification(qualification, CUSTOMER, form or complete_form())
        self.do(decisions.draft_qualification, SALES, draft)
        return self

    def submitted(self, form: Form | None = None) -> Case:
        """With F1 submitted."""
        self.drafted(form).do(decisions.submit_qualification, SALES)
        return self

    def passed(self, *steps: Step) -> Case:
        """With steps signed by those whose they are."""
        for step in steps:
            self.sign(step, SIGNERS[step])
        return self

    def approved(self) -> Case:
        """With everything signed but the agreement."""
        return self.submitted().passed(*ORDER[:5])

    def sign(self, step: Step, actor: Actor, *, digest: str | None = None, in_absence: str | None = None) -> list[Any]:
        """Try to sign a step."""
        command = signing.PassStep(step, digest or self.bundle.digest, in_absence=in_absence)
        return self.do(signing.pass_step, actor, command)

    def rename(self, name: str) -> Case:
        """With the customer's name changed in its dossier meanwhile."""
        self.file = replace(self.file, name=name)
        return self


OTHER = "9144030071526726XG"
THIRD = PAYER.model_copy(
    update={
        "name": "深圳丙丁供应链有限公司",
        "identity": OTHER,
        "documents": (paper("business_licence", number=OTHER, valid_until=date(2027, 6, 30)),),
    }
)


def third_party_form(payer: SettlementUnit = THIRD, until: date | None = date(2027, 3, 31)) -> Form:
    """F1 of a customer for whom somebody else pays."""
    agreement = paper("three_party_agreement", issued_on=date(2026, 11, 20), valid_until=until)
    return complete_form(settlement_unit=payer, documents=(*DOCUMENTS, agreement))


@dataclass
class Trade:
    """A customer's standing and one payer, beside the qualification that brings them about."""

    case: Case
    unit_facts: list[Fact] = field(default_factory=list[Fact])
    standing_facts: list[Fact] = field(default_factory=list[Fact])

    @property
    def unit(self) -> Unit:
        """The payer as it stands."""
        return SETTLEMENT_UNITS.fold(self.unit_facts)

    @property
    def standing(self) -> Standing:
        """How the customer stands."""
        return STANDINGS.fold(self.standing_facts)

    def context(self, actor: Actor, gathered: Any = None, now: datetime | None = None) -> Context:
        """What a decision gets to know."""
        return Context(actor, now or self.case.now, POLICIES, gathered)

    def approve(self, actor: Actor = GENERAL_MANAGER, unit: str = "u-1") -> list[Decision]:
        """The approval, with what follows for payer and customer."""
        gathered = Gathered(self.case.file, unit=unit, unit_number="JS000001")
        command = signing.PassStep(Step.GENERAL_MANAGER, self.case.bundle.digest)
        states = (self.case.state, self.unit, self.standing)
        decided = list(approving.approve(command, states, self.context(actor, gathered)))
        self.case.facts += decided[0].facts
        self.unit_facts += decided[1].facts
        self.standing_facts += decided[2].facts
        return decided

    def activated(self, until: date | None = None) -> Trade:
        """With the agreement signed, and active by it."""
        self.standing_facts += [
            AgreementNoted(
                customer=CUSTOMER,
                qualification="q-1",
                file_digest="a" * 64,
                signed_on=TODAY,
                valid_from=TODAY,
                valid_until=until,
            ),
            ActivationNoted(customer=CUSTOMER, qualification="q-1", department=DEPARTMENT, active_since=TODAY),
        ]
        return self

    def do(self, decide: Callable[..., Decision], actor: Actor, command: Any = None) -> list[Any]:
        """A command on how the customer stands."""
        arguments = [self.standing, self.context(actor, self.case.file)]
        facts = list(decide(*([] if command is None else [command]), *arguments).facts)
        self.standing_facts += facts
        return facts

    def tend(self, decide: Callable[..., Decision], actor: Actor, command: Any = None) -> list[Any]:
        """A command on the payer."""
        facts = list(decide(*([] if command is None else [command]), self.unit, self.context(actor)).facts)
        self.unit_facts += facts
        return facts

    def bars(self, today: date = TODAY, named: str | None = None) -> set[str]:
        """Why no new order may be placed on a day."""
        found = may_order(self.case.file, self.standing, self.unit, REQUIRED_DOCUMENTS.initial, today, named)
        return {bar.code for bar in found.bars}


def recorded(fact: Any, at: datetime = NOW) -> RecordedFact[Any]:
    """A fact with an envelope of its own, for reactions."""
    return RecordedFact(
        fact=fact,
        id=new_id(),
        stream=f"x-{CUSTOMER}",
        version=1,
        sequence=1,
        key=CUSTOMER,
        service="vetting",
        actor="x",
        clause="",
        correlation=new_id(),
        causation=None,
        occurred_at=at,
        recorded_at=at,
    )


def agreement(**other: Any) -> signing.SignAgreement:
    """An agreement signed and valid from today, and whatever is said otherwise."""
    today = signing.SignAgreement(
        signed_on=TODAY,
        valid_from=TODAY,
        valid_until=date(2027, 11, 23),
        file_digest="a" * 64,
        ours="boss",
        theirs=Signatory(person="p-2", name="李四"),
    )
    return replace(today, **other)


#: The file of a paper in bodies that are sent, and its digest.
SCAN = small_pdf("证件")
SCAN_DIGEST = hashlib.sha256(SCAN).hexdigest()


def form_body() -> dict[str, Any]:
    """The same as it is sent."""
    paper = {"copy_held": True, "company_seal": True, "original_seen": True, "file_digest": SCAN_DIGEST}
    return {
        "channel": {"territory": "浙江省", "description": "覆盖省内十一个地市的二级经销网络"},
        "settlement_unit": {
            "name": "杭州甲乙贸易有限公司",
            "identity_kind": "uscc",
            "identity": USCC,
            "bank": "中国银行杭州分行",
            "account": "350000000001",
        },
        "legal_representative": {"name": "王小明", "id_number": "110101199003070011"},
        "capital_fen": 1_000_000_000,
        "scope": "销售",
        "credit": {"rating": "good", "conclusion": "无不良记录", "evidence": "信用报告 2026-11-01"},
        "documents": [
            paper | {"type": "business_licence", "number": USCC},
            paper | {"type": "basic_account"},
            paper | {"type": "taxpayer_query", "issued_on": "2026-11-01"},
            paper | {"type": "invoicing_information"},
            paper | {"type": "legal_representative_id", "valid_until": "2030-01-01"},
        ],
    }
