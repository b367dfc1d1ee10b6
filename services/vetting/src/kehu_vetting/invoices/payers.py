"""What invoices need of a settlement unit and of an order, out of their own states (R3.1.1, R3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from kehu.deciding import Category
from kehu.facts import Fact
from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.facts import Buyer
from kehu_vetting.invoices.gathered import Payer
from kehu_vetting.invoices.orders import OrderAccount
from kehu_vetting.orders.facts import Order
from kehu_vetting.qualifications.form import Document, digest_of
from kehu_vetting.qualifications.requirements import RequiredDocuments, ends
from kehu_vetting.settlement_units.facts import Unit, UnitDetails
from kehu_vetting.standing.facts import Standing

S = TypeVar("S")

#: The requirement of F1 whose papers prove that somebody is a general taxpayer (R3.1.2).
TAXPAYER_PROOF = "general_taxpayer_proof"


@dataclass(frozen=True, slots=True)
class Counted(Generic[S]):
    """A state with the version of its stream."""

    state: S
    version: int = 0


def counted(category: Category[S]) -> Category[Counted[S]]:
    """The same streams, read with their version: every fact of a stream is one."""

    def evolve(before: Counted[S], fact: Fact) -> Counted[S]:
        return Counted(category.evolve(before.state, fact), before.version + 1)

    return Category(category.name, category.facts, Counted(category.initial), evolve)


def account_of(order: Counted[Order]) -> OrderAccount:
    """An order as invoices see it."""
    state = order.state
    agreed: dict[str, Any] = {
        "unit": state.unit,
        "cancelled_on": state.cancelled_on.isoformat() if state.cancelled_on else None,
        "batches": [{**one.agreed.model_dump(mode="json"), "cancelled": one.cancelled} for one in state.batches],
    }
    return OrderAccount(
        order=state.id,
        number=state.number,
        customer=state.customer,
        unit=state.unit,
        digest=digest_of(agreed),
        amount_fen=state.amount_fen,
        receipts={receipt: payment.fen for receipt, payment in state.payments.items()},
        shipped_fen=state.shipped_fen - state.returned_fen,
        version=order.version,
    )


def payer_of(unit: Counted[Unit], standing: Standing, file: CustomerFile, policy: RequiredDocuments) -> Payer:
    """A settlement unit as invoices need it.

    Args:
        unit: as it stands.
        standing: the customer's: where it pays for itself, its own papers are the payer's.
        file: of the customer.
        policy: which papers prove a general taxpayer, and for how long.

    """
    state = unit.state
    papers = {**(standing.papers if state.identity == file.identity else {}), **state.papers}
    proofs = [papers[kind] for kind in _proofs(policy) if kind in papers]
    last_days = [ends(paper, policy.type(paper.type)) for paper in proofs]
    limits = [day for day in last_days if day is not None]
    return Payer(
        unit=state.id,
        name=state.name,
        buyer=buyer_of(state.name, state.identity, state.details),
        proof_until=max(limits) if len(limits) == len(last_days) and limits else None,
        proven=any(_good(paper) for paper in proofs),
        version=unit.version,
    )


def buyer_of(name: str, identity: str, details: UnitDetails | None) -> Buyer | None:
    """What an invoice says of a unit; None while anything of it is missing."""
    block = details.invoicing if details else None
    if details is None or block is None:
        return None
    buyer = Buyer(
        name=name,
        identity=identity,
        bank=block.bank or details.bank,
        account=block.account or details.account,
        address=block.address,
        phone=block.phone,
    )
    same = (block.title, block.tax_number) == (name, identity)
    return buyer if same and all(buyer.model_dump().values()) else None


def _proofs(policy: RequiredDocuments) -> list[str]:
    """The kinds of paper that prove a general taxpayer."""
    return [way.document for one in policy.requirements if one.code == TAXPAYER_PROOF for way in one.satisfied_by]


def _good(paper: Document) -> bool:
    """It says nothing without its date (R3.1.2)."""
    return paper.issued_on is not None
