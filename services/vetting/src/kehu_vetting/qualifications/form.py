"""F1, the qualification review, as the salesperson fills it: who the customer is, who pays, what proves it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict

from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.privacy import PersonalField

#: A legal representative's data are part of a contract file, and kept as long as the law wants that kept.
Kept = Annotated[str, PersonalField(retention="contract")]


class Part(BaseModel):
    """A part of F1. Unknown fields of newer writers are kept, as in facts."""

    model_config = ConfigDict(frozen=True, extra="allow")


class VettedCustomer(Part):
    """What is vetted of the customer itself; taken from its dossier, never typed a second time."""

    number: str
    name: str
    kind: CustomerKind
    identity_kind: IdentityKind
    identity: str


class SalesChannel(Part):
    """Where and through whom the customer sells (R3.1.1)."""

    territory: str
    description: str


class Document(Part):
    """One paper: what it is, since and until when it holds, what was seen of it, and its scan's digest (SHA-256)."""

    type: str
    number: str = ""
    issuer: str = ""
    #: Its date: of a query, or of the signature.
    issued_on: date | None = None
    valid_until: date | None = None
    copy_held: bool = False
    company_seal: bool = False
    original_seen: bool = False
    file_digest: str


class InvoicingBlock(Part):
    """What an invoice to a payer says of it (R3.1.2)."""

    title: str
    tax_number: str
    address: str = ""
    phone: str = ""
    bank: str = ""
    account: str = ""


class SettlementUnit(Part):
    """Who pays (R3.1.1): the customer itself, or a third party with a three-party agreement and papers of its own."""

    name: str
    identity_kind: IdentityKind
    identity: str
    bank: str
    account: str
    invoicing: InvoicingBlock | None = None
    documents: tuple[Document, ...] = ()


class LegalRepresentative(Part):
    """The person who stands for the customer.

    `blind` is random and sealed with the rest: without it, the published digest of a bundle would let anybody who knows
    the other fields find out a name or an ID number by trying.
    """

    person: str
    name: Kept
    id_number: Kept | None = None
    blind: Kept


class CreditRating(StrEnum):
    """How the customer's credit is judged (R3.0)."""

    GOOD = "good"
    ACCEPTABLE = "acceptable"
    POOR = "poor"


class CreditConclusion(Part):
    """The analysis of credit that stands beside the papers (R3.0)."""

    rating: CreditRating
    conclusion: str
    evidence: str


class Form(Part):
    """F1 as it stands; a draft may leave anything open."""

    channel: SalesChannel | None = None
    settlement_unit: SettlementUnit | None = None
    legal_representative: LegalRepresentative | None = None
    capital_fen: int | None = None
    scope: str = ""
    credit: CreditConclusion | None = None
    #: Whether somebody other than the legal representative acts for the customer (R3.1.2: power of attorney).
    represented: bool = False
    documents: tuple[Document, ...] = ()


class FinanceFacts(Part):
    """What finance adds at its re-check; changing it voids sign-offs from finance's step on."""

    credit_review: str
    evidence: str
    account_checked_on: date | None = None
    taxpayer_checked_on: date | None = None


class Satisfaction(Part):
    """A requirement met, and by which paper: "satisfied by X", never "waived" (R3.1.2)."""

    requirement: str
    document: str
    file_digest: str


def tidied(form: Form, former: Form | None) -> Form:
    """The form with its papers in one order, and the legal representative known again from the former version.

    Who keeps either name or ID number is the same person, and gets no new key; nothing changed is nothing changed.
    """
    documents = in_order(form.documents)
    payer = form.settlement_unit
    if payer:
        payer = payer.model_copy(update={"documents": in_order(payer.documents)})
    now = form.legal_representative
    before = former.legal_representative if former else None
    if now and before and (now.name == before.name or (now.id_number and now.id_number == before.id_number)):
        same = now.model_copy(update={"person": before.person})
        unchanged = same.model_copy(update={"blind": before.blind}) == before
        now = before if unchanged else same
    return form.model_copy(update={"documents": documents, "settlement_unit": payer, "legal_representative": now})


def in_order(documents: Iterable[Document]) -> tuple[Document, ...]:
    """Papers in the one order in which they are kept: the same again is the same, however it is sent."""
    return tuple(sorted(documents, key=lambda paper: (paper.type, paper.file_digest, paper.number)))


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of canonical JSON (keys sorted, no spaces, UTF-8), in hexadecimal."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
