"""The dossier form (F4) as people fill it in: every field checked and brought into its one form (R4.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from kehu.contracts.customers import Audience, Contact, CustomerKind, IdentityKind
from kehu.identifiers import organisation_code_warning, parse_individual_business_number, parse_uscc
from kehu.phones import Phone
from kehu.text import Line, normalise
from kehu_customer_registry.dossiers.facts import Nature
from kehu_customer_registry.staff.decisions import Code

#: More people than the largest customer names on one form.
MOST_CONTACTS = 30
MOST_COLLABORATORS = 20
_CODE = re.compile(r"[0-9A-Z]{2,50}", re.ASCII)
_SEPARATORS = re.compile(r"[\s\-‐‑–—./()]")


def _plain_code(text: str) -> str:
    """A registration abroad or a public body's code: their forms are many, so only what all have is checked."""
    code = _SEPARATORS.sub("", normalise(text)).upper()
    if not _CODE.fullmatch(code):
        raise PydanticCustomError(
            "identity_code",
            "号码应为 2–50 位字母或数字，请对照登记证书。"
            "The number has 2 to 50 letters and digits: compare it with the certificate.",
        )
    return code


_PARSERS: dict[IdentityKind, Callable[[str], str]] = {
    IdentityKind.USCC: parse_uscc,
    IdentityKind.INDIVIDUAL_BUSINESS: parse_individual_business_number,
    IdentityKind.FOREIGN_REGISTRATION: _plain_code,
    IdentityKind.PUBLIC_BODY: _plain_code,
}


class Identity(BaseModel):
    """By which number a customer is known; of one kind, in its one form (R4.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: IdentityKind
    number: Annotated[str, Field(max_length=100)]

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


class ContactEntry(BaseModel):
    """A person at the customer. `person` is the id that they were given when first entered; none for a new one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,64}$")] | None = None
    name: Line
    phone: Phone
    title: Line | None = None
    audience: Audience | None = None
    main: bool = False
    marketing_consent_at: AwareDatetime | None = None


class DossierForm(BaseModel):
    """Fields of the form; those that are not sent stay as they are, null empties one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: CustomerKind | None = None
    nature: Nature | None = None
    nature_remark: Line | None = None
    supervising_body: Line | None = None
    address: Line | None = None
    region: Line | None = None
    identity: Identity | None = None
    no_identity_reason: Line | None = None
    contacts: Annotated[tuple[ContactEntry, ...], Field(max_length=MOST_CONTACTS)] = ()
    collaborators: Annotated[tuple[Code, ...], Field(max_length=MOST_COLLABORATORS)] = ()
    important_potential: bool = False

    def given(self, new_ids: Sequence[str]) -> dict[str, Any]:
        """What was sent, as the dossier's content keeps it.

        Args:
            new_ids: an id for every contact, used for those that have none yet.

        """
        sent = {field: getattr(self, field) for field in self.model_fields_set & _CONTENT_FIELDS}
        if "identity" in self.model_fields_set:
            sent["identity_kind"] = self.identity.kind if self.identity else None
            sent["identity"] = self.identity.number if self.identity else None
        if "contacts" in sent:
            sent["contacts"] = _contacts(self.contacts, new_ids)
        if "collaborators" in sent:
            sent["collaborators"] = tuple(dict.fromkeys(self.collaborators))
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

    occurred_on: AwareDatetime | None = None


_CONTENT_FIELDS = frozenset(DossierForm.model_fields) - {"identity"} | {"name"}


def _contacts(entries: Sequence[ContactEntry], new_ids: Sequence[str]) -> tuple[Contact, ...]:
    """Contacts as facts keep them; where nobody is marked as the main one, the first is."""
    nobody = not any(entry.main for entry in entries)
    return tuple(
        Contact(
            person=entry.person or new_ids[place],
            name=entry.name,
            phone=entry.phone,
            title=entry.title or "",
            audience=entry.audience,
            main=entry.main or (nobody and place == 0),
            marketing_consent_at=entry.marketing_consent_at,
        )
        for place, entry in enumerate(entries)
    )


__all__ = [
    "ChangeForm",
    "ContactEntry",
    "DossierForm",
    "DraftForm",
    "EditForm",
    "Identity",
    "identity_claim",
    "identity_warning",
]
