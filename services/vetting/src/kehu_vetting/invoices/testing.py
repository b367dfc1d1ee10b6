"""What tests of invoices stand on: an order with money and goods, its payer, people, a case to try things on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from kehu.contracts.trade import InvoiceIssued, InvoiceKind, RedLetterAsked
from kehu.deciding import Actor, Context, Decision
from kehu.event_store import Taken
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices import collecting, decisions, issuing, red_letters, reviewing
from kehu_vetting.invoices.accounts import INVOICE_ACCOUNTS, BasisMoved, InvoiceAccount, RequestSettled
from kehu_vetting.invoices.amounts import TypedLine
from kehu_vetting.invoices.facts import INVOICE_REQUESTS, Buyer, InvoiceRequest, PayerMoved, Side
from kehu_vetting.invoices.gathered import CreditSeen, Gathered, OpenIncident, Payer
from kehu_vetting.invoices.numbers import Numbers
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.invoices.policy import INVOICING, Invoicing
from kehu_vetting.testing import CUSTOMER, FILE, FINANCE, MANAGER, NOW, SALES, TODAY, USCC, VETTER, person

ISSUER = person("issuer", "finance", department=None)
BUYER = Buyer(
    name=FILE.name,
    identity=USCC,
    bank="中国银行杭州分行",
    account="350000000001",
    address="杭州市西湖区文三路 1 号",
    phone="0571-88880000",
)
PAYER = Payer(unit="u-1", name=FILE.name, buyer=BUYER, proof_until=date(2027, 6, 1), proven=True)
ORDER = OrderAccount(
    order="o-1",
    number="DD000001",
    customer=CUSTOMER,
    unit="u-1",
    digest="agreed",
    amount_fen=10_000_000,
    receipts={"r-1": 6_000_000, "r-2": 4_000_000},
    shipped_fen=8_000_000,
)
CREDIT = CreditSeen(
    rating="good",
    conclusion="无不良记录",
    evidence="信用报告",
    open_incidents=(OpenIncident(incident="i-1", occurred_on=date(2026, 1, 5), description="逾期"),),
)
STEEL = TypedLine(item="钢管", unit="吨", quantity=Decimal(10), rate_percent=Decimal(13), gross_fen=5_000_000)


_NOTHING = Decision()


def digital(sequence: int, *, year: int = 26, province: str = "33") -> Numbers:
    """A fully digital number."""
    return Numbers(InvoiceKind.DIGITAL, digital_number=f"{year:02}{province}2{sequence:015}")


def paper(sequence: int, *, code: str = "3300261130") -> Numbers:
    """A paper one's."""
    return Numbers(InvoiceKind.PAPER, code=code, number=f"{sequence:08}")


def line(gross_fen: int, **other: Any) -> TypedLine:
    """Goods for so much, and whatever is said otherwise."""
    return replace(STEEL, quantity=None, gross_fen=gross_fen, **other)


def recorded(fact: Fact, version: int) -> RecordedFact[Any]:
    """A fact as a reaction gets it, of this version of its stream."""
    return RecordedFact(
        fact=fact,
        id=new_id(),
        stream=f"order-{ORDER.order}",
        version=version,
        sequence=version,
        key=CUSTOMER,
        service="vetting",
        actor="somebody",
        clause=fact.clause,
        correlation=new_id(),
        causation=None,
        occurred_at=NOW,
        recorded_at=NOW,
    )


@dataclass
class Invoices:
    """One order with its requests and invoices: what was recorded so far, and commands to try on it.

    Numbers and ids that decisions claim are refused a second time, as the store does.
    """

    order: OrderAccount = ORDER
    file: CustomerFile = FILE
    payer: Payer = PAYER
    credit: CreditSeen = CREDIT
    policy: Invoicing = INVOICING.initial
    now: datetime = NOW
    collector_gone: bool = False
    #: By request, and of the account.
    requests: dict[str, list[Fact]] = field(default_factory=dict[str, list[Fact]])
    facts: list[Fact] = field(default_factory=list[Fact])
    claimed: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    @property
    def account(self) -> InvoiceAccount:
        """The order's account of invoices."""
        return INVOICE_ACCOUNTS.fold(self.facts)

    def request(self, name: str = "q-1") -> InvoiceRequest:
        """A request as it stands."""
        return INVOICE_REQUESTS.fold(self.requests.get(name, []))

    def context(self, actor: Actor) -> Context:
        """What a decision gets to know."""
        gathered = Gathered(self.file, self.payer, self.credit, collector_gone=self.collector_gone)
        return Context(actor, self.now, {INVOICING.name: self.policy}, gathered)

    def later(self, **time: Any) -> Invoices:
        """So much later."""
        self.now += timedelta(**time)
        return self

    def _record(self, account: Decision = _NOTHING, request: Decision = _NOTHING, name: str = "q-1") -> list[Any]:
        claims = {(claim.scope, claim.value): claim.holder for claim in (*account.claims, *request.claims)}
        for scope, value in claims:
            if (scope, value) in self.claimed:
                raise Taken(scope, value, self.claimed[scope, value], None, None)
        self.claimed |= claims
        self.facts += account.facts
        self.requests.setdefault(name, []).extend(request.facts)
        return [*account.facts, *request.facts]

    # --- requests ---

    def apply(self, *lines: TypedLine, actor: Actor = SALES, name: str = "q-1", **other: Any) -> list[Any]:
        """Apply for an invoice."""
        number = f"KP{len(self.requests) + 1:06}"
        command = decisions.WriteRequest(name, number, lines or (STEEL,), **other)
        request, account = decisions.request_invoice(
            command, self.request(name), self.account, self.order, self.context(actor)
        )
        return self._record(account, request, name)

    def revise(self, *lines: TypedLine, actor: Actor = SALES, name: str = "q-1", **other: Any) -> list[Any]:
        """Write a request anew."""
        state = self.request(name)
        command = decisions.WriteRequest(name, state.number, lines or (STEEL,), **other)
        request, account = decisions.revise_request(command, state, self.account, self.order, self.context(actor))
        return self._record(account, request, name)

    def withdraw(self, *, actor: Actor = SALES, name: str = "q-1") -> list[Any]:
        """Give a request up."""
        command = decisions.WithdrawRequest("客户不要了")
        made = self._record(
            request=decisions.withdraw_request(command, self.request(name), self.context(actor)), name=name
        )
        self._settle(name)
        return made

    def review(
        self, side: Side, actor: Actor, *, name: str = "q-1", digest: str | None = None, credit: str | None = None
    ) -> list[Any]:
        """Pass a side, having looked at it and at the credit."""
        state = self.request(name)
        command = reviewing.PassRequest(side, digest or state.digest, credit or self.credit.digest)
        made = reviewing.pass_request(command, state, self.order, self.context(actor))
        return self._record(request=made, name=name)

    def give_back(self, side: Side, actor: Actor, *, name: str = "q-1") -> list[Any]:
        """Return it with remarks."""
        command = reviewing.ReturnRequest(side, "请核对")
        made = reviewing.return_request(command, self.request(name), self.context(actor))
        return self._record(request=made, name=name)

    def refuse(self, side: Side, actor: Actor, *, name: str = "q-1") -> list[Any]:
        """Refuse it for good."""
        command = reviewing.RefuseRequest(side, "不符")
        made = self._record(
            request=reviewing.refuse_request(command, self.request(name), self.context(actor)), name=name
        )
        self._settle(name)
        return made

    def lapse(self, name: str = "q-1") -> list[Any]:
        """Its schedule fires."""
        made = self._record(request=reviewing.lapse(name, self.now, self.request(name), self.context(SALES)), name=name)
        self._settle(name)
        return made

    def moved(self, because: str, *, name: str = "q-1", **other: Any) -> list[Any]:
        """The reaction to what it rests on having changed."""
        told = {"customer": CUSTOMER, "unit": "u-1", "requests": (name,), "because": because, "version": 99, **other}
        state, context = self.request(name), self.context(SALES)
        if because == "buyer":
            decided = reviewing.payer_moved(PayerMoved.model_validate(told), state, context)
        else:
            decided = reviewing.basis_moved(BasisMoved.model_validate(told), state, context)
        made = self._record(request=decided, name=name)
        self._settle(name)
        return made

    def passed(self, *lines: TypedLine, name: str = "q-1") -> Invoices:
        """With a request that both have passed."""
        self.apply(*lines, name=name)
        self.review("marketing", VETTER, name=name)
        self.review("finance", FINANCE, name=name)
        return self

    def _settle(self, name: str) -> None:
        """What the reaction to a closed request does."""
        if self.request(name).status in ("refused", "withdrawn", "lapsed") and name in self.account.requested:
            self.facts.append(RequestSettled(order=self.order.order, customer=CUSTOMER, request=name))

    # --- invoices ---

    def issue(
        self,
        numbers: Numbers,
        *lines: TypedLine,
        actor: Actor = ISSUER,
        name: str = "q-1",
        invoice: str | None = None,
        on: date | None = None,
        digest: str | None = None,
    ) -> list[Any]:
        """Issue on a request."""
        state = self.request(name)
        command = issuing.IssueInvoice(
            invoice or f"v-{len(self.claimed)}", numbers, on or self.context(actor).today, lines, digest or state.digest
        )
        account, request = issuing.issue_invoice(command, self.account, state, self.order, self.context(actor))
        return self._record(account, request, name)

    def register(
        self, numbers: Numbers, *lines: TypedLine, actor: Actor = ISSUER, invoice: str | None = None
    ) -> list[Any]:
        """Register an ordinary invoice."""
        context = self.context(actor)
        command = issuing.IssueInvoice(invoice or f"v-{len(self.claimed)}", numbers, context.today, lines)
        return self._record(issuing.register_invoice(command, self.account, self.order, context))

    def void(self, invoice: str, *, actor: Actor = ISSUER) -> list[Any]:
        """Void one."""
        command = issuing.VoidInvoice(invoice, "开票有误")
        return self._record(issuing.void_invoice(command, self.account, self.order, self.context(actor)))

    def ask_red(
        self, blue: str, *lines: TypedLine, kind: InvoiceKind = InvoiceKind.DIGITAL, red: str | None = None
    ) -> RedLetterAsked:
        """Ask for a red letter."""
        command = red_letters.AskRedLetter(red or f"d-{len(self.account.reds)}", blue, kind, lines, "销货退回")
        (asked,) = self._record(red_letters.ask_red_letter(command, self.account, self.order, self.context(ISSUER)))
        return asked

    def confirm_red(self, red: str) -> list[Any]:
        """The buyer has confirmed."""
        command = red_letters.ConfirmRedLetter(red, "33012611250000000001")
        return self._record(red_letters.confirm_red_letter(command, self.account, self.order, self.context(ISSUER)))

    def withdraw_red(self, red: str) -> list[Any]:
        """Take it back."""
        command = red_letters.WithdrawRedLetter(red, "误申请")
        return self._record(red_letters.withdraw_red_letter(command, self.account, self.order, self.context(ISSUER)))

    def lapse_red(self, red: str) -> list[Any]:
        """Its schedule fires."""
        key = f"{self.order.order}/{red}"
        return self._record(red_letters.lapse_red_letter(key, self.now, self.account, self.context(ISSUER)))

    def issue_red(self, red: str, numbers: Numbers, *, invoice: str | None = None) -> list[Any]:
        """Register the red invoice."""
        context = self.context(ISSUER)
        command = red_letters.IssueRedLetter(red, invoice or f"v-{len(self.claimed)}", numbers, context.today)
        return self._record(red_letters.issue_red_letter(command, self.account, self.order, context))

    def collect(self, invoice: str, actor: Actor, on: date, delivered: date | None = None) -> list[Any]:
        """Sign F3."""
        command = collecting.CollectInvoice(invoice, on, delivered)
        return self._record(collecting.collect_invoice(command, self.account, self.context(actor)))

    def issued(self) -> Mapping[str, InvoiceIssued]:
        """Every invoice by its id."""
        return {fact.invoice: fact for fact in self.facts if isinstance(fact, InvoiceIssued)}


__all__ = [
    "BUYER",
    "CREDIT",
    "FINANCE",
    "ISSUER",
    "MANAGER",
    "NOW",
    "ORDER",
    "PAYER",
    "SALES",
    "STEEL",
    "TODAY",
    "VETTER",
    "Invoices",
    "digital",
    "line",
    "paper",
    "person",
    "recorded",
]
