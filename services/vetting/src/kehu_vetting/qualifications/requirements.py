"""Which papers a customer must show and which stands for which: policy data, and the check against it (R3.1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kehu.calendar import Month
from kehu.contracts.customers import CustomerKind, IdentityKind
from kehu.identifiers import parse_uscc
from kehu_vetting.qualifications.form import Document, Form, Satisfaction, VettedCustomer


class When(StrEnum):
    """Under which circumstances a paper is asked for."""

    ALWAYS = "always"
    REPRESENTED = "represented"  # somebody other than the legal representative acts
    THIRD_PARTY_PAYER = "third_party_payer"  # the settlement unit is not the customer


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DocumentType(_Data):
    """A kind of paper, and what must have been seen of it."""

    code: str
    zh: str
    en: str
    company_seal: bool = True
    original_seen: bool = False
    #: Its number is a person's: it stands with the legal representative, sealed, and not on the paper's line.
    personal_number: bool = False
    on_expiry: Literal["suspends", "warns"] = "suspends"
    #: It says nothing without its date: that of a query, or of a signature.
    dated: bool = False
    #: Asked again so many months after its date, whatever it says itself.
    renewed_after_months: Annotated[int, Field(ge=1, le=120)] | None = None
    #: Asked anew when the customer's name or representative changes.
    renewed_on_change: bool = False


class Way(_Data):
    """A paper that satisfies a requirement.

    `valid_uscc`: only if it carries a valid unified social credit code. `identities`: only for customers known by one
    of these; empty for any.
    """

    document: str
    valid_uscc: bool = False
    identities: tuple[IdentityKind, ...] = ()


class Requirement(_Data):
    """Something to be proved, and the papers that prove it, the usual one first."""

    code: str
    zh: str
    en: str
    satisfied_by: tuple[Way, ...]
    when: When = When.ALWAYS


class RequiredDocuments(_Data):
    """The list of R3.1.2 ("including but not limited to"): by kind of customer, changeable without a release."""

    fields: tuple[str, ...]
    types: tuple[DocumentType, ...]
    requirements: tuple[Requirement, ...]
    required_of: dict[CustomerKind, tuple[str, ...]]
    #: What a payer shows that is not the customer (R3.1.1).
    required_of_units: tuple[str, ...] = ("business_licence",)
    #: Before the end of a paper, of an agreement and of a link with a payer, whoever is to renew it is told.
    told_days_before: Annotated[int, Field(ge=1, le=365)] = 30

    @model_validator(mode="after")
    def _names_only_what_it_declares(self) -> Self:
        declared = {one.code for one in self.types}
        used = {way.document for one in self.requirements for way in one.satisfied_by}
        required = {code for codes in self.required_of.values() for code in codes} | set(self.required_of_units)
        unknown = (used - declared) | (required - {one.code for one in self.requirements})
        unknown |= set(self.fields) - set(Form.model_fields)
        if unknown:
            raise ValueError(f"Not declared: {', '.join(sorted(unknown))}.")
        if missing := set(CustomerKind) - set(self.required_of):
            raise ValueError(f"Nothing is said for: {', '.join(sorted(missing))}.")
        return self

    def type(self, code: str) -> DocumentType | None:
        """A kind of paper by its code."""
        return next((one for one in self.types if one.code == code), None)

    def required(self, customer: VettedCustomer, form: Form) -> Iterator[Requirement]:
        """What this customer has to prove, in the list's order."""
        codes = self.required_of[customer.kind]
        circumstances = {When.ALWAYS}
        if form.represented:
            circumstances.add(When.REPRESENTED)
        if pays_for_another(form, customer):
            circumstances.add(When.THIRD_PARTY_PAYER)
        return (one for one in self.requirements if one.code in codes and one.when in circumstances)

    def required_of_unit(self) -> Iterator[Requirement]:
        """What a payer has to prove that is not the customer."""
        return (one for one in self.requirements if one.code in self.required_of_units)

    def unit_types(self) -> frozenset[str]:
        """The kinds of paper that prove what a payer has to prove."""
        return frozenset(way.document for one in self.required_of_unit() for way in one.satisfied_by)


def pays_for_another(form: Form, customer: VettedCustomer) -> bool:
    """Whether F1 names a payer that is not the customer."""
    return form.settlement_unit is not None and form.settlement_unit.identity != customer.identity


def ends(paper: Document, kind: DocumentType | None) -> date | None:
    """The last day on which a paper is good: its own, or when it is to be asked again (R3.1.2); None for no end."""
    last_days = [paper.valid_until]
    if kind and kind.renewed_after_months and paper.issued_on:
        last_days.append(months_after(paper.issued_on, kind.renewed_after_months))
    return min((day for day in last_days if day is not None), default=None)


def months_after(day: date, months: int) -> date:
    """The same day so many months later, or that month's last."""
    month = Month.of(day) + months
    return month.first_day.replace(day=min(day.day, month.last_day.day))


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """Something that F1 still lacks, by the field that it concerns."""

    field: str
    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside F1.

    Args:
        payer_papers: those of the payer that F1 names, if it is a unit already.
        account_asked_since: account information of an earlier date no longer counts.
        files: digests of which there is a file; None where that is not looked at.

    """

    payer_papers: tuple[Document, ...] = ()
    account_asked_since: date | None = None
    files: frozenset[str] | None = None


NOTHING_KNOWN = Known()


@dataclass(frozen=True, slots=True)
class Assessment:
    """What F1 proves, what it lacks, and what has expired without barring anybody."""

    satisfied: tuple[Satisfaction, ...]
    lacking: tuple[Shortcoming, ...]
    warnings: tuple[Shortcoming, ...]


def assess(
    form: Form,
    customer: VettedCustomer,
    policy: RequiredDocuments,
    today: date,
    known: Known = NOTHING_KNOWN,
) -> Assessment:
    """Hold F1 against the list of what this kind of customer, and its payer, have to show.

    Args:
        form: as filled.
        customer: whom it is about.
        policy: the list in force.
        today: in Shanghai; the last day of a paper is still valid.
        known: beside F1.

    """
    lacking = [*_blank_fields(form, policy), *_without_file(form, known)]
    satisfied: list[Satisfaction] = []
    proofs = [
        (requirement, _proof(requirement, form.documents, customer, policy, today, known.account_asked_since), "")
        for requirement in policy.required(customer, form)
    ]
    payer = form.settlement_unit
    if payer and pays_for_another(form, customer):
        who = VettedCustomer(
            number="",
            name=payer.name,
            kind=customer.kind,
            identity_kind=payer.identity_kind,
            identity=payer.identity,
        )
        papers = (*payer.documents, *known.payer_papers)
        proofs += [
            (requirement, _proof(requirement, papers, who, policy, today), "settlement_unit.")
            for requirement in policy.required_of_unit()
        ]
    for requirement, found, prefix in proofs:
        if isinstance(found, Document):
            satisfied.append(
                Satisfaction(requirement=prefix + requirement.code, document=found.type, file_digest=found.file_digest)
            )
        else:
            lacking.append(replace(found, field=prefix + found.field))
    warnings = tuple(
        _expired(paper, kind, today)
        for paper in form.documents
        if (kind := policy.type(paper.type)) and kind.on_expiry == "warns" and is_over(paper, kind, today)
    )
    return Assessment(tuple(satisfied), tuple(lacking), warnings)


def expired(papers: Iterable[Document], policy: RequiredDocuments, today: date) -> tuple[Shortcoming, ...]:
    """The papers that have expired and, by their kind, bar new orders until they are renewed."""
    return tuple(
        _expired(paper, kind, today)
        for paper in papers
        if (kind := policy.type(paper.type)) and kind.on_expiry == "suspends" and is_over(paper, kind, today)
    )


def unfit(form: Form, policy: RequiredDocuments) -> tuple[Shortcoming, ...]:
    """Papers that may not even be saved: of a kind that nobody knows, or with a person's number in the open."""
    found: list[Shortcoming] = []
    payer = form.settlement_unit
    listed = [(f"documents.{place}", paper) for place, paper in enumerate(form.documents)]
    if payer:
        listed += [(f"settlement_unit.documents.{place}", paper) for place, paper in enumerate(payer.documents)]
    for field, paper in listed:
        kind = policy.type(paper.type)
        if kind is None:
            found.append(_unknown_type(field, policy))
        elif wrong := _personal_number(field, paper, kind):
            found.append(wrong)
    return tuple(found)


def paper_problems(
    field: str,
    paper: Document,
    customer: VettedCustomer,
    policy: RequiredDocuments,
    today: date,
    asked_since: date | None,
    files: frozenset[str],
) -> list[Shortcoming]:
    """What is wrong with one paper by itself, for papers that are renewed without a whole F1.

    Args:
        field: where it stands in what was sent.
        paper: as handed in.
        customer: whose it is, or the payer in the same shape.
        policy: the kinds of paper in force.
        today: in Shanghai.
        asked_since: account information of an earlier date does not count.
        files: digests of which there is a file.

    """
    kind = policy.type(paper.type)
    if kind is None:
        return [_unknown_type(field, policy)]
    found = [one for one in [_personal_number(field, paper, kind)] if one]
    wrong = _wrong(paper, kind, customer, today) or _outdated(paper, kind, asked_since)
    if wrong is None and is_over(paper, kind, today):
        wrong = _expired(paper, kind, today)
    if wrong:
        found.append(replace(wrong, field=field))
    if paper.file_digest not in files:
        found.append(_no_file(field))
    return found


def _unknown_type(field: str, policy: RequiredDocuments) -> Shortcoming:
    known = ", ".join(one.code for one in policy.types)
    return Shortcoming(
        f"{field}.type",
        "unknown-document-type",
        f"没有这种证件。可用的有:{known}。",
        f"There is no such kind of document. Known: {known}.",
    )


def _personal_number(field: str, paper: Document, kind: DocumentType) -> Shortcoming | None:
    if not (kind.personal_number and paper.number):
        return None
    return Shortcoming(
        f"{field}.number",
        "personal-number",
        f"{kind.zh}的号码是个人信息,请填入 legal_representative.id_number,此处留空。",
        f"The number of this {kind.en} is personal: give it as legal_representative.id_number.",
    )


def _no_file(field: str) -> Shortcoming:
    return Shortcoming(
        f"{field}.file_digest",
        "file-missing",
        "没有上传该文件,请先上传(POST /files),再填写其 digest。",
        "There is no such file: hand it in first (POST /files), then give its digest.",
    )


def _blank_fields(form: Form, policy: RequiredDocuments) -> Iterator[Shortcoming]:
    blank = [field for field in policy.fields if getattr(form, field) in (None, "")]
    for field in blank:
        yield Shortcoming(field, "missing", "必填,请补充后再提交。", "Required: fill it in, then submit again.")


def _proof(
    requirement: Requirement,
    papers: Sequence[Document],
    customer: VettedCustomer,
    policy: RequiredDocuments,
    today: date,
    asked_since: date | None = None,
) -> Document | Shortcoming:
    """The paper that satisfies a requirement; else what is wrong with the one that nearly does."""
    nearly: Shortcoming | None = None
    for way in requirement.satisfied_by:
        kind = policy.type(way.document)
        for paper in papers:
            if kind is None or not _leads(way, paper, customer):
                continue
            wrong = _wrong(paper, kind, customer, today) or _outdated(paper, kind, asked_since)
            if wrong is None:
                return paper
            nearly = nearly or wrong
    return nearly or Shortcoming(
        f"documents.{requirement.code}",
        "document-missing",
        f"缺少{requirement.zh},可由以下任一证件满足:{_ways(requirement, policy, 'zh')}。",
        f"Missing: {requirement.en}; any of these will do: {_ways(requirement, policy, 'en')}.",
    )


def _leads(way: Way, paper: Document, customer: VettedCustomer) -> bool:
    if paper.type != way.document or (way.identities and customer.identity_kind not in way.identities):
        return False
    return not way.valid_uscc or _has_valid_uscc(paper)


def _wrong(paper: Document, kind: DocumentType, customer: VettedCustomer, today: date) -> Shortcoming | None:
    field = f"documents.{paper.type}"
    if kind.on_expiry == "suspends" and is_over(paper, kind, today):
        return _expired(paper, kind, today)
    if wrong := _misdated(paper, kind, today):
        return wrong
    if kind.original_seen and not paper.original_seen:
        return Shortcoming(
            field,
            "original-not-seen",
            f"{kind.zh}须核对原件,请核对后勾选。",
            f"The original of the {kind.en} must be seen: look at it, then say so.",
        )
    if kind.company_seal and not paper.company_seal:
        return Shortcoming(
            field,
            "company-seal-missing",
            f"{kind.zh}复印件须加盖公章。",
            f"The copy of the {kind.en} must bear the company seal.",
        )
    is_company = customer.identity_kind is IdentityKind.USCC
    if is_company and _has_valid_uscc(paper) and parse_uscc(paper.number) != customer.identity:
        return Shortcoming(
            field,
            "identity-differs",
            f"{kind.zh}上的统一社会信用代码与客户档案不一致,请核对。",
            f"The unified social credit code on the {kind.en} is not that of the dossier: compare them.",
        )
    return None


def is_outdated(paper: Document, kind: DocumentType | None, asked_since: date | None) -> bool:
    """Whether a paper was asked for anew, since the name or the representative changed after its date (R3.1.2)."""
    if asked_since is None or kind is None or not kind.renewed_on_change:
        return False
    return paper.issued_on is None or paper.issued_on < asked_since


def _outdated(paper: Document, kind: DocumentType, asked_since: date | None) -> Shortcoming | None:
    if not is_outdated(paper, kind, asked_since):
        return None
    return Shortcoming(
        f"documents.{paper.type}.issued_on",
        "asked-anew",
        f"客户名称或法定代表人已于 {asked_since} 变更,须提供该日及以后出具的{kind.zh}(issued_on)。",
        f"Name or representative changed on {asked_since}: {kind.en} of that day or later is needed (issued_on).",
    )


def _without_file(form: Form, known: Known) -> Iterator[Shortcoming]:
    """Papers whose digest is no file that was handed in: what is signed must be there to be looked at."""
    payer = form.settlement_unit
    listed = [(f"documents.{paper.type}", paper) for paper in form.documents]
    listed += [(f"settlement_unit.documents.{paper.type}", paper) for paper in (payer.documents if payer else ())]
    for field, paper in listed:
        if known.files is not None and paper.file_digest not in known.files:
            yield _no_file(field)


def _misdated(paper: Document, kind: DocumentType, today: date) -> Shortcoming | None:
    field = f"documents.{paper.type}.issued_on"
    if kind.dated and paper.issued_on is None:
        return Shortcoming(
            field,
            "date-missing",
            f"{kind.zh}须注明日期(issued_on)。",
            f"The {kind.en} needs its date (issued_on).",
        )
    if paper.issued_on and paper.issued_on > today:
        return Shortcoming(
            field,
            "date-in-future",
            f"{kind.zh}的日期 {paper.issued_on} 晚于今天,请核对。",
            f"The {kind.en} is dated {paper.issued_on}, after today: correct it.",
        )
    return None


def _expired(paper: Document, kind: DocumentType, today: date) -> Shortcoming:
    last_day = ends(paper, kind) or today
    return Shortcoming(
        f"documents.{paper.type}",
        "expired",
        f"{kind.zh}已于 {last_day} 到期,请换新证。",
        f"The {kind.en} was valid until {last_day}: a renewed one is needed.",
    )


def is_over(paper: Document, kind: DocumentType | None, today: date) -> bool:
    """Whether a paper's last day has passed."""
    last_day = ends(paper, kind)
    return last_day is not None and last_day < today


def _has_valid_uscc(paper: Document) -> bool:
    try:
        return bool(parse_uscc(paper.number))
    except PydanticCustomError:
        return False


def _ways(requirement: Requirement, policy: RequiredDocuments, language: Literal["zh", "en"]) -> str:
    with_code = {"zh": "(含有效统一社会信用代码)", "en": " with a valid unified social credit code"}[language]
    names: list[str] = []
    for way in requirement.satisfied_by:
        kind: Any = policy.type(way.document)
        names.append(getattr(kind, language) + (with_code if way.valid_uscc else ""))
    return {"zh": "、", "en": ", "}[language].join(names)
