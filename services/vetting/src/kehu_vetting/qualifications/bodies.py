"""What people send: F1 and the commands on it, checked and normalised before anything is decided."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from kehu.contracts.customers import IdentityKind
from kehu.contracts.vetting import Step
from kehu.identifiers import parse_individual_business_number, parse_uscc
from kehu.money import Fen
from kehu.text import Line, Paragraph
from kehu_vetting.bodies import Body, Code, Day, Sha256, Text
from kehu_vetting.qualifications.facts import Finding
from kehu_vetting.qualifications.form import CreditRating, Form

#: Far more papers than any customer has; a bundle has to fit into one fact.
MOST_DOCUMENTS = 50
MOST_FINDINGS = 50

IdNumber = Annotated[Line, Field(max_length=40)]


class SalesChannelBody(Body):
    """Where and through whom the customer sells."""

    territory: Line
    description: Text


class DocumentBody(Body):
    """A paper; `GET /required-documents` has the types."""

    type: Code
    number: Line | None = None
    issuer: Line | None = None
    issued_on: Annotated[Day | None, Field(description="Its date: of a query, or of the signature.")] = None
    valid_until: Day | None = None
    copy_held: bool = False
    company_seal: bool = False
    original_seen: bool = False
    file_digest: Sha256


class InvoicingBody(Body):
    """What an invoice to the payer says of it."""

    title: Line
    tax_number: Line
    address: Line | None = None
    phone: Line | None = None
    bank: Line | None = None
    account: Line | None = None


class SettlementUnitBody(Body):
    """Who pays: the customer itself, or a third party."""

    name: Line
    identity_kind: IdentityKind
    identity: Line
    bank: Line
    account: Line
    invoicing: InvoicingBody | None = None
    documents: Annotated[
        tuple[DocumentBody, ...], Field(max_length=MOST_DOCUMENTS, description="Of a payer that is not the customer.")
    ] = ()

    @model_validator(mode="after")
    def _identity_as_written(self) -> Self:
        parse = {
            IdentityKind.USCC: parse_uscc,
            IdentityKind.INDIVIDUAL_BUSINESS: parse_individual_business_number,
        }.get(self.identity_kind)
        return self.model_copy(update={"identity": parse(self.identity)}) if parse else self


class LegalRepresentativeBody(Body):
    """The person who stands for the customer."""

    name: Line
    id_number: IdNumber | None = None


class CreditConclusionBody(Body):
    """How the customer's credit is judged, and by which evidence (R3.0)."""

    rating: CreditRating
    conclusion: Text
    evidence: Text


class FormBody(Body):
    """F1; a draft may leave anything open."""

    channel: SalesChannelBody | None = None
    settlement_unit: SettlementUnitBody | None = None
    legal_representative: LegalRepresentativeBody | None = None
    capital_fen: Annotated[Fen, Field(ge=0)] | None = None
    scope: Paragraph = ""
    credit: CreditConclusionBody | None = None
    represented: Annotated[bool, Field(description="Somebody other than the legal representative acts.")] = False
    documents: Annotated[tuple[DocumentBody, ...], Field(max_length=MOST_DOCUMENTS)] = ()

    def form(self, person: str, blind: str) -> Form:
        """F1 as it is recorded.

        Args:
            person: a new id for the legal representative, should they be another one than before.
            blind: something random that is sealed with their name (see `LegalRepresentative`).

        """
        content = self.model_dump(exclude_none=True)
        if self.legal_representative:
            content["legal_representative"] |= {"person": person, "blind": blind}
        return Form.model_validate(content)


class DraftBody(Body):
    """For which customer (its id or 客户编号), and what is known already."""

    customer: Code
    form: FormBody = FormBody()


class FinanceFactsBody(Body):
    """What finance found at its re-check."""

    credit_review: Text
    evidence: Text
    account_checked_on: Day | None = None
    taxpayer_checked_on: Day | None = None


class FindingBody(Body):
    """A remark; `field` names what it is about, empty for the whole."""

    field: Annotated[str, StringConstraints(pattern=r"^[\w.]{0,100}$")] = ""
    text: Text


Findings = Annotated[tuple[FindingBody, ...], Field(max_length=MOST_FINDINGS)]


def findings(bodies: tuple[FindingBody, ...]) -> tuple[Finding, ...]:
    """Remarks as they are recorded."""
    return tuple(Finding(field=body.field, text=body.text) for body in bodies)


class PassBody(Body):
    """A signature: which step, and the digest of the bundle that was looked at."""

    step: Step
    digest: Sha256
    findings: Findings = ()
    in_absence: Annotated[
        Line | None, Field(description="Registration by the general manager: why nobody of the office is there.")
    ] = None


class ReturnBody(Body):
    """Back to an earlier step, or (null) to the salesperson, with remarks."""

    step: Annotated[Step, Field(description="Whose turn it is now.")]
    to_step: Step | None
    remarks: Annotated[Findings, Field(min_length=1)]


class RejectBody(Body):
    """Refused for good."""

    step: Annotated[Step, Field(description="Whose turn it is now.")]
    reason: Text


class WithdrawBody(Body):
    """Given up."""

    reason: Text


class SignatoryBody(Body):
    """Who signed for the customer."""

    name: Line
    title: Line | None = None


class AgreementBody(Body):
    """The signed agreement."""

    signed_on: Day
    valid_from: Day
    valid_until: Day | None = None
    file_digest: Sha256
    ours: Annotated[Code, Field(description="Id of the member of our staff who signed.")]
    theirs: SignatoryBody
