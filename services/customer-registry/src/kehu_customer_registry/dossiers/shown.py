"""A dossier as it is shown: as it stands, as of a day, and field by field through time; masked for auditors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from kehu.contracts.customers import (
    Affiliation,
    Anniversary,
    Consent,
    Contact,
    ContactPost,
    CustomerChanged,
    CustomerKind,
    IdentityKind,
    Relation,
)
from kehu.facts import Fact, RecordedFact
from kehu.monthdays import MonthDay
from kehu.privacy import ERASED
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.decisions import Resembling, missing
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier, MajorChangeEntered, ParticularsChanged, Status
from kehu_customer_registry.dossiers.form import identity_warning
from kehu_customer_registry.dossiers.rights import Sight
from kehu_customer_registry.history import mask

Shown = Callable[[str], str]


class DayShown(BaseModel):
    """A day of somebody's year."""

    calendar: str
    month: int
    day: int
    leap: bool

    @classmethod
    def of(cls, text: str | None, seen: Sight) -> DayShown | None:
        """As somebody with this sight sees it: auditors, and nobody once it is erased, see none."""
        if text is None or text == ERASED or seen is Sight.MASKED:
            return None
        day = MonthDay.parse(text)
        return cls(calendar=day.calendar, month=day.month, day=day.day, leap=day.leap)


class AnniversaryShown(DayShown):
    """An anniversary of somebody."""

    what: str


class ContactShown(BaseModel):
    """A person at the customer; masked for auditors, 已删除 where they had their data erased."""

    person: str
    name: str
    phone: str
    further_phones: list[str]
    title: str | None
    post: ContactPost | None
    audience: str | None
    birthday: DayShown | None
    anniversaries: list[AnniversaryShown]
    main: bool
    consents: list[Consent]
    marketing_consent_at: AwareDatetime | None

    @classmethod
    def of(cls, contact: Contact, seen: Sight) -> ContactShown:
        """As somebody with this sight sees it."""
        shown = _shown(seen)
        return cls(
            person=contact.person,
            name=shown(contact.name),
            phone=shown(contact.phone),
            further_phones=[shown(phone) for phone in contact.further_phones],
            title=contact.title or None,
            post=contact.post,
            audience=contact.audience,
            birthday=DayShown.of(contact.birthday, seen),
            anniversaries=[found for one in contact.anniversaries if (found := _anniversary(one, seen))],
            main=contact.main,
            consents=list(contact.consents),
            marketing_consent_at=contact.marketing_consent_at,
        )


class RepresentativeShown(BaseModel):
    """Who represents the customer by law."""

    person: str
    name: str


class BankTaxShown(BaseModel):
    """Where the customer banks and how it is invoiced."""

    person: str
    bank: str | None
    account: str | None
    tax_number: str | None
    invoicing_address: str | None
    invoicing_phone: str | None


class ChangeShown(BaseModel):
    """A major change that waits for the manager."""

    change: str
    values: dict[str, Any]
    occurred_on: AwareDatetime | None
    late: bool
    proposed_by: str


class RelationRequestShown(BaseModel):
    """Somebody who asks to collaborate."""

    relation: str
    kind: CustomerKind
    region: str
    reason: str
    requested_by: str


class ResemblingShown(BaseModel):
    """Another dossier with the same name, phone, address or identity; who may not see it is told no more than this."""

    number: str
    department: str
    matches: list[str] = Field(description="Which are the same: name, phone, address, identity.")
    customer: str | None = None
    name: str | None = None
    because: str | None = Field(default=None, description="Why it was found to be another customer's.")


class DossierShown(BaseModel):
    """A dossier as it stands."""

    customer: str
    number: str
    status: Status
    department: str
    owner: str
    collaborators: list[str]
    relations: list[Relation]
    name: str
    kind: CustomerKind | None
    nature: Nature | None
    nature_remark: str | None
    affiliation: Affiliation | None
    supervising_body: str | None
    address: str | None
    region: str | None
    region_remark: str | None
    identity_kind: IdentityKind | None
    identity: str | None
    no_identity_reason: str | None
    legal_representative: RepresentativeShown | None
    bank_tax: BankTaxShown | None
    dealings: str | None
    important_potential: bool
    contacts: list[ContactShown]
    submitted_by: str | None
    remarks: str | None = Field(description="What it was returned with.")
    registered_by: str | None
    changes: list[ChangeShown] = Field(description="Major changes that wait for the manager.")
    relation_requests: list[RelationRequestShown] = Field(description="Relations that wait for the manager.")
    take_over: dict[str, Any] | None = Field(description="How it is to be taken over, while that is to be confirmed.")
    merge: dict[str, Any] | None = Field(description="A merge that is to be confirmed.")
    merged: list[str] = Field(description="Numbers of customers that were merged into this one.")
    missing: list[str] = Field(description="Fields that R4.2 asks for before it can be submitted.")
    warnings: list[str] = Field(description="What a reviewer should look at twice.")
    duplicates: list[ResemblingShown] = Field(description="Other dossiers with the same name, phone or address.")

    @classmethod
    def of(cls, dossier: Dossier, seen: Sight, duplicates: Sequence[ResemblingShown] = ()) -> DossierShown:
        """As somebody with this sight sees it."""
        content = dossier.content
        warning = identity_warning(content.identity_kind, content.identity)
        return cls(
            customer=dossier.customer,
            number=dossier.number,
            status=dossier.status,
            department=dossier.department,
            owner=dossier.owner,
            collaborators=list(content.collaborators),
            relations=list(content.relations),
            name=content.name,
            kind=content.kind,
            nature=content.nature,
            nature_remark=content.nature_remark if content.nature is Nature.OTHER else None,
            affiliation=dossier.affiliation,
            supervising_body=content.supervising_body,
            address=content.address,
            region=content.region,
            region_remark=content.region_remark,
            identity_kind=content.identity_kind,
            identity=content.identity,
            no_identity_reason=content.no_identity_reason,
            legal_representative=_representative(dossier, seen),
            bank_tax=_bank_tax(dossier, seen),
            dealings=content.dealings,
            important_potential=content.important_potential,
            contacts=[ContactShown.of(contact, seen) for contact in content.contacts],
            submitted_by=dossier.submitted_by,
            remarks=dossier.remarks,
            registered_by=dossier.registered_by,
            changes=[_change(entered, seen) for entered in dossier.changes.values()],
            relation_requests=[
                RelationRequestShown(
                    relation=one.relation,
                    kind=one.kind,
                    region=one.region,
                    reason=one.reason,
                    requested_by=one.requested_by,
                )
                for one in dossier.requests.values()
            ],
            take_over=dossier.take_over.model_dump(mode="json") if dossier.take_over else None,
            merge=dossier.merge.model_dump(mode="json") if dossier.merge else None,
            merged=[one.merged_number for one in dossier.merged.values()],
            missing=[name for name, _, _ in missing(content)],
            warnings=[warning] if warning else [],
            duplicates=list(duplicates),
        )


def resembling_shown(one: Resembling, because: str | None, name: str | None) -> ResemblingShown:
    """What somebody is told of a dossier; its id and name only with the right to see it.

    Args:
        one: the dossier.
        because: why it was found to be another customer's.
        name: its name, if they may see it.

    """
    return ResemblingShown(
        number=one.number,
        department=one.department,
        matches=list(one.matches),
        customer=one.customer if name is not None else None,
        name=name,
        because=because,
    )


# --- through time ----------------------------------------------------------------------------------------------------


def as_of(
    facts: Sequence[RecordedFact[Fact]], *, occurred: datetime | None = None, known: datetime | None = None
) -> Dossier:
    """The dossier as it was at a moment, by what was known at another one (R4.4: occurred and recorded are both kept).

    Args:
        facts: of the dossier, in order.
        occurred: the moment; None for the latest.
        known: facts recorded later are left out; None for today's knowledge.

    """
    seen = [
        one
        for one in facts
        if (known is None or one.recorded_at <= known) and (occurred is None or one.occurred_at <= occurred)
    ]
    # Changes count in the order in which they happened; what leads into the archive has happened as it was recorded.
    changes = [one for one in seen if isinstance(one.fact, CustomerChanged | ParticularsChanged)]
    others = [one for one in seen if not isinstance(one.fact, CustomerChanged | ParticularsChanged)]
    in_order = iter(sorted(changes, key=lambda one: (one.occurred_at, one.version)))
    return DOSSIERS.fold([*(one.fact for one in others), *(one.fact for one in in_order)])


class ValueShown(BaseModel):
    """What a field said from some time on."""

    value: Any
    occurred_at: datetime
    recorded_at: datetime
    actor: str
    late: bool = Field(description="Entered later than promptly (R4.4).")
    proposed_by: str | None
    passed_by: str | None


def values_of(facts: Sequence[RecordedFact[Fact]], field: str, seen: Sight) -> list[ValueShown]:
    """Every value that a field of the dossier has had, in the order in which they were recorded.

    Args:
        facts: of the dossier, in order.
        field: of `DossierShown`.
        seen: the reader's sight.

    """
    state = DOSSIERS.initial
    values: list[ValueShown] = []
    for recorded in facts:
        state = DOSSIERS.evolve(state, recorded.fact)
        value = DossierShown.of(state, seen).model_dump(mode="json")[field]
        if values and values[-1].value == value:
            continue
        fact = recorded.fact
        values.append(
            ValueShown(
                value=value,
                occurred_at=recorded.occurred_at,
                recorded_at=recorded.recorded_at,
                actor=recorded.actor,
                late=getattr(fact, "late", False),
                proposed_by=getattr(fact, "proposed_by", None),
                passed_by=getattr(fact, "passed_by", None),
            )
        )
    return values


def _shown(seen: Sight) -> Shown:
    return mask if seen is Sight.MASKED else str


def _anniversary(one: Anniversary, seen: Sight) -> AnniversaryShown | None:
    day = DayShown.of(one.day, seen)
    return day and AnniversaryShown(what=one.what, **dict(day))


def _representative(dossier: Dossier, seen: Sight) -> RepresentativeShown | None:
    found = dossier.content.legal_representative
    return found and RepresentativeShown(person=found.person, name=_shown(seen)(found.name))


def _bank_tax(dossier: Dossier, seen: Sight) -> BankTaxShown | None:
    found = dossier.content.bank_tax
    if found is None:
        return None
    shown = _shown(seen)
    return BankTaxShown(
        person=found.person,
        bank=found.bank,
        account=found.account and shown(found.account),
        tax_number=found.tax_number,
        invoicing_address=found.invoicing_address,
        invoicing_phone=found.invoicing_phone and shown(found.invoicing_phone),
    )


def _change(entered: MajorChangeEntered, seen: Sight) -> ChangeShown:
    values = entered.values.model_dump(mode="json", exclude_none=True)
    if seen is Sight.MASKED:
        for block, personal in (("legal_representative", ("name",)), ("bank_tax", ("account", "invoicing_phone"))):
            for name in personal:
                if value := values.get(block, {}).get(name):
                    values[block][name] = mask(value)
    return ChangeShown(
        change=entered.change,
        values=values,
        occurred_on=entered.occurred_on,
        late=entered.late,
        proposed_by=entered.proposed_by,
    )
