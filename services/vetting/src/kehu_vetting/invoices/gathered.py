"""What is looked up before anything about invoices is decided: the customer, its payer, its credit (R3.0, R3.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from kehu_vetting.customer_files.facts import CustomerFile
from kehu_vetting.invoices.facts import Buyer, Part
from kehu_vetting.qualifications.form import digest_of


@dataclass(frozen=True, slots=True)
class Payer:
    """The settlement unit of an order, as far as invoices need it.

    Args:
        unit: its id.
        name: for messages.
        buyer: what an invoice says of it; None without invoicing information.
        proof_until: until when it is known to be a general taxpayer, that day included; None for no end.
        proven: whether there is a proof at all.
        version: of its stream.

    """

    unit: str = ""
    name: str = ""
    buyer: Buyer | None = None
    proof_until: date | None = None
    proven: bool = False
    version: int = 0

    def proven_on(self, day: date) -> bool:
        """Whether the proof holds on a day."""
        return self.proven and (self.proof_until is None or day <= self.proof_until)


class OpenIncident(Part):
    """An incident of bad credit that is not settled."""

    incident: str
    occurred_on: date
    description: str = ""


class CreditSeen(Part):
    """What a reviewer is shown of the customer's credit, and says to have looked at (R3.0)."""

    rating: str | None = None
    conclusion: str | None = None
    evidence: str | None = None
    open_incidents: tuple[OpenIncident, ...] = ()

    @property
    def digest(self) -> str:
        """Of all of it: a review names the one that was seen."""
        return digest_of(self.model_dump(mode="json"))


_NO_CREDIT = CreditSeen()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was looked up before deciding; `collector_gone`: whoever is to sign F3 has left or is leaving."""

    file: CustomerFile
    payer: Payer = Payer()
    credit: CreditSeen = _NO_CREDIT
    collector_gone: bool = False
