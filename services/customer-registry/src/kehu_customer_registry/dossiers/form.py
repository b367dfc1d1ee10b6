"""The dossier form (F4) as people fill it in: every field checked and brought into its one form (R4.2).

It knows nothing of HTTP: an import fills it from rows, with `PEOPLE_PER_FORM` ids at hand for the people in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from kehu.contracts.customers import (
    Anniversary,
    Audience,
    BankTax,
    Consent,
    ConsentPurpose,
    Contact,
    ContactPost,
    CustomerKind,
    IdentityKind,
    LegalRepresentative,
    Relation,
)
from kehu.identifiers import organisation_code_warning, parse_individual_business_number, parse_uscc
from kehu.monthdays import MonthDay
from kehu.phones import Phone
from kehu.text import Line, Paragraph, normalise
from kehu_customer_registry.dossiers.content import Nature, standard_region
from kehu_customer_registry.staff.decisions import Code

#: More people than the largest customer names on one form.
MOST_CONTACTS = 30
MOST_COLLABORATORS = 20
MOST_PHONES = 10
MOST_ANNIVERSARIES = 10
MOST_CONSENTS = 30
#: Ids that a form needs at most: its contacts, the legal representative, the holder of the account.
PEOPLE_PER_FORM = MOST_CONTACTS + 2
_CODE = re.compile(r"[0-9A-Z]{2,50}", re.ASCII)
_ACCOUNT = re.compile(r"[0-9A-Z]{5,40}", re.ASCII)
_TAX_NUMBER = re.compile(r"[0-9A-Z]{15,20}", re.ASCII)
_SEPARATORS = re.compile(r"[\s\-‐‑–—./()]")


def _plain_code(text: str) -> str:
    """A registration abroad or a public body's code: their forms are many, so only what all have is checked."""
    code = compact(text)
    if not _CODE.fullmatch(code):
        raise PydanticCustomError(
            "identity_code",
            "号码应为 2–50 位字母或数字，请对照登记证书。"
            "The number has 2 to 50 letters and digits: compare it with the certificate.",
        )
    return code


def _account(text: str) -> str:
    account = compact(text)
    if not _ACCOUNT.fullmatch(account):
        raise PydanticCustomError(
            "bank_account",
            "银行账号应为 5–40 位数字或字母，请对照开户信息。"
            "A bank account has 5 to 40 digits or letters: compare it with the account information.",
        )
    return account


def _tax_number(text: str) -> str:
    number = compact(text)
    if not _TAX_NUMBER.fullmatch(number):
        raise PydanticCustomError(
            "tax_number",
            "纳税人识别号应为 15–20 位数字或字母，请对照税务登记信息。"
            "A taxpayer number has 15 to 20 digits or letters: compare it with the tax registration.",
        )
    return number


def _region(text: str) -> str:
    region = standard_region(text)
    if region is None:
        raise PydanticCustomError(
            "region_unknown",
            "区域不在标准列表中：请填写省级区划的名称或代码(如 浙江、330000)、境外，或“其他”并在 region_remark 中说明。"
            "The region is not on the standard list: give a province by name or code (浙江, 330000), 境外, "
            "or 其他 with a region_remark.",
        )
    return region


def compact(text: str) -> str:
    """A number without what people put between its characters, in capitals."""
    return _SEPARATORS.sub("", normalise(text)).upper()


_SHORT = Field(max_length=100)
Region = Annotated[str, _SHORT, AfterValidator(_region)]
PersonId = Annotated[str, StringConstraints(pattern=r"^[\w-]{1,64}$")]

_PARSERS: dict[IdentityKind, Callable[[str], str]] = {
    IdentityKind.USCC: parse_uscc,
    IdentityKind.INDIVIDUAL_BUSINESS: parse_individual_business_number,
    IdentityKind.FOREIGN_REGISTRATION: _plain_code,
    IdentityKind.PUBLIC_BODY: _plain_code,
}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(_Entry):
    """By which number a customer is known; of one kind, in its one form (R4.2)."""

    kind: IdentityKind
    number: Annotated[str, _SHORT]

    @field_validator("number")
    @classmethod
    def _checked(cls, number: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        return _PARSERS[kind](number) if kind else number  # without a kind, the kind is what is wrong

    @property
    def claim(self) -> str:
        """The value that only one dossier may claim."""
        return identity_claim(self.kind, self.number)


def identity_claim(kind: IdentityKind, number: str) -> str:
    """The value that only one dossier may claim for an identity."""
    return f"{kind.value}:{number}"


def identity_warning(kind: IdentityKind | None, number: str | None) -> str | None:
    """What a reviewer should look at twice in a valid identity; nothing in most."""
    return organisation_code_warning(number) if kind is IdentityKind.USCC and number else None


class DayEntry(_Entry):
    """A day of somebody's year, without the year (R6.2.2)."""

    calendar: Literal["solar", "lunar"] = "solar"
    month: Annotated[int, Field(ge=1, le=12)]
    day: Annotated[int, Field(ge=1, le=31)]
    leap: bool = False

    @model_validator(mode="after")
    def _there_is_one(self) -> DayEntry:
        self.text()
        return self

    def text(self) -> str:
        """As facts keep it."""
        return str(MonthDay(self.calendar, self.month, self.day, self.leap))


class AnniversaryEntry(DayEntry):
    """An anniversary of somebody: what it is."""

    what: Line


class ConsentEntry(_Entry):
    """That somebody agreed to a purpose, when, what shows it, and since when no longer."""

    purpose: ConsentPurpose
    given_at: AwareDatetime
    evidence: Line | None = None
    withdrawn_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _in_order(self) -> ConsentEntry:
        if self.withdrawn_at is not None and self.withdrawn_at < self.given_at:
            raise PydanticCustomError(
                "consent_order",
                "同意的撤回不能早于同意本身，请核对时间。"
                "A consent cannot be withdrawn before it was given: check the times.",
            )
        return self


class ContactEntry(_Entry):
    """A person at the customer. `person` is the id that they were given when first entered; none for a new one."""

    person: PersonId | None = None
    name: Line
    phone: Phone
    further_phones: Annotated[tuple[Phone, ...], Field(max_length=MOST_PHONES)] = ()
    title: Line | None = None
    post: ContactPost | None = None
    audience: Audience | None = None
    birthday: DayEntry | None = None
    anniversaries: Annotated[tuple[AnniversaryEntry, ...], Field(max_length=MOST_ANNIVERSARIES)] = ()
    main: bool = False
    consents: Annotated[tuple[ConsentEntry, ...], Field(max_length=MOST_CONSENTS)] = ()
    marketing_consent_at: Annotated[
        AwareDatetime | None, Field(description="Short for a consent to marketing given at that time.")
    ] = None

    @model_validator(mode="after")
    def _other_is_said(self) -> ContactEntry:
        if self.post is ContactPost.OTHER and not self.title:
            raise PydanticCustomError(
                "post_remark",
                "职务选“其他”时，请在 title 中写明。With the post “other”, say in title which.",
            )
        return self

    def contact(self, new_id: str, *, main: bool) -> Contact:
        """As facts keep it.

        Args:
            new_id: for somebody who has no id yet.
            main: whether this is the one to call first.

        """
        person = self.person or new_id
        consents = [Consent(**dict(consent)) for consent in self.consents]
        standing = marketing_consent(consents)
        if self.marketing_consent_at is not None and standing is None and not consents:
            consents.append(Consent(purpose=ConsentPurpose.MARKETING, given_at=self.marketing_consent_at))
            standing = self.marketing_consent_at
        return Contact(
            person=person,
            name=self.name,
            phone=self.phone,
            further_phones=tuple(dict.fromkeys(phone for phone in self.further_phones if phone != self.phone)),
            title=self.title or "",
            post=self.post,
            audience=self.audience,
            birthday=self.birthday.text() if self.birthday else None,
            anniversaries=tuple(
                Anniversary(person=person, what=one.what, day=one.text()) for one in self.anniversaries
            ),
            main=main,
            consents=tuple(consents),
            marketing_consent_at=standing,
        )


def marketing_consent(consents: Sequence[Consent]) -> AwareDatetime | None:
    """Since when the agreement to marketing-like messages stands; None without one that was not withdrawn."""
    given = [one.given_at for one in consents if one.purpose is ConsentPurpose.MARKETING and one.withdrawn_at is None]
    return min(given, default=None)


class LegalRepresentativeEntry(_Entry):
    """Who represents the customer by law; `person` as for a contact."""

    person: PersonId | None = None
    name: Line


class BankTaxEntry(_Entry):
    """Where the customer banks and how it is invoiced; `person` as for a contact."""

    person: PersonId | None = None
    bank: Line | None = None
    account: Annotated[str, _SHORT, AfterValidator(_account)] | None = None
    tax_number: Annotated[str, _SHORT, AfterValidator(_tax_number)] | None = None
    invoicing_address: Line | None = None
    invoicing_phone: Phone | None = None


class RelationEntry(_Entry):
    """A further region or kind, and who collaborates there (R4.2)."""

    kind: CustomerKind
    region: Region
    salesperson: Code


Relations = Annotated[tuple[RelationEntry, ...], Field(max_length=MOST_COLLABORATORS)]


class DossierForm(_Entry):
    """Fields of the form; those that are not sent stay as they are, null empties one."""

    kind: CustomerKind | None = None
    nature: Nature | None = None
    nature_remark: Line | None = None
    supervising_body: Line | None = None
    address: Line | None = None
    region: Region | None = None
    region_remark: Line | None = None
    identity: Identity | None = None
    no_identity_reason: Line | None = None
    legal_representative: LegalRepresentativeEntry | None = None
    bank_tax: BankTaxEntry | None = None
    contacts: Annotated[tuple[ContactEntry, ...], Field(max_length=MOST_CONTACTS)] = ()
    collaborators: Annotated[tuple[Code, ...], Field(max_length=MOST_COLLABORATORS)] = ()
    relations: Relations = ()
    dealings: Paragraph | None = None
    important_potential: bool = False

    def given(self, new_ids: Sequence[str]) -> dict[str, Any]:
        """What was sent, as the dossier's content keeps it.

        Args:
            new_ids: an id for every contact, and two more for the legal representative and the account's holder; used
                for those that have none yet. `PEOPLE_PER_FORM` are always enough.

        """
        sent = {field: getattr(self, field) for field in self.model_fields_set & _CONTENT_FIELDS}
        if "identity" in self.model_fields_set:
            sent["identity_kind"] = self.identity.kind if self.identity else None
            sent["identity"] = self.identity.number if self.identity else None
        if "contacts" in sent:
            sent["contacts"] = _contacts(self.contacts, new_ids)
        if "collaborators" in sent:
            sent["collaborators"] = tuple(dict.fromkeys(self.collaborators))
        if "relations" in sent:
            sent["relations"] = relations(self.relations)
        after_contacts = len(self.contacts)
        if self.legal_representative is not None:
            entry = self.legal_representative
            person = entry.person or new_ids[after_contacts]
            sent["legal_representative"] = LegalRepresentative(person=person, name=entry.name)
        if self.bank_tax is not None:
            person = self.bank_tax.person or new_ids[after_contacts + 1]
            sent["bank_tax"] = BankTax(**{**dict(self.bank_tax), "person": person})
        return sent


class DraftForm(DossierForm):
    """The first save of a dossier: a name and the department are enough (R2)."""

    name: Line
    department: Code


class EditForm(DossierForm):
    """Changes to a dossier that is not submitted yet."""

    name: Line | None = None

    @field_validator("name")
    @classmethod
    def _kept(cls, name: str | None) -> str:
        if name is None:
            raise PydanticCustomError("name_required", "客户名称不能清空。The customer's name cannot be emptied.")
        return name


class ChangeForm(EditForm):
    """What has changed in an archived dossier, and when, where that is not now (R4.4)."""

    owner: Code | None = None
    occurred_on: AwareDatetime | None = None

    def given(self, new_ids: Sequence[str]) -> dict[str, Any]:
        """What was sent; a new owner is one of the things that change."""
        sent = super().given(new_ids)
        return {**sent, "owner": self.owner} if self.owner is not None else sent


_CONTENT_FIELDS = frozenset(DossierForm.model_fields) - {"identity"} | {"name"}


def relations(entries: Sequence[RelationEntry]) -> tuple[Relation, ...]:
    """Relations as facts keep them, each once."""
    return tuple(
        Relation(kind=one.kind, region=one.region, salesperson=one.salesperson) for one in dict.fromkeys(entries)
    )


def _contacts(entries: Sequence[ContactEntry], new_ids: Sequence[str]) -> tuple[Contact, ...]:
    """Contacts as facts keep them; where nobody is marked as the main one, the first is."""
    nobody = not any(entry.main for entry in entries)
    return tuple(
        entry.contact(new_ids[place], main=entry.main or (nobody and place == 0)) for place, entry in enumerate(entries)
    )


__all__ = [
    "ChangeForm",
    "ContactEntry",
    "DossierForm",
    "DraftForm",
    "EditForm",
    "Identity",
    "RelationEntry",
    "identity_claim",
    "identity_warning",
    "relations",
]
