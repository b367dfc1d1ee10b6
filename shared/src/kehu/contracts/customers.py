"""Published by customer-registry: who is a customer, of which kind, whose, and what they contract a month."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kehu.calendar import Month
from kehu.contracts.published import PublishedFact
from kehu.money import Fen
from kehu.privacy import Personal, PersonalField


class CustomerKind(StrEnum):
    """What a customer is to us (R5.1); affiliation is told apart from it."""

    PROVINCIAL_AGENT = "provincial_agent"  # 省外省级代理
    PREFECTURE_AGENT = "prefecture_agent"  # 省内地级代理
    DEALER = "dealer"  # 经销商
    KEY_END_USER = "key_end_user"  # 重点终端用户
    OTHER_PROSPECT = "other_prospect"  # 其他潜在客户


class Affiliation(StrEnum):
    """A customer that belongs to us in part or whole (R5.1), set by 市场部 with proof."""

    JOINT_VENTURE = "joint_venture"  # 合资公司
    WHOLLY_OWNED = "wholly_owned_subsidiary"  # 全资子公司


class IdentityKind(StrEnum):
    """By which identity a customer is known (R4.2)."""

    USCC = "uscc"  # 统一社会信用代码
    INDIVIDUAL_BUSINESS = "individual_business_number"  # 15-digit number of a 个体工商户
    FOREIGN_REGISTRATION = "foreign_registration"
    PUBLIC_BODY = "public_body_code"


Audience = Literal["I", "II", "III"]


#: Personal, and part of what contracts and invoices are made of: kept as long as the law keeps those.
ContractPersonal = Annotated[str, PersonalField(retention="contract")]


class ContactPost(StrEnum):
    """What a contact is at the customer; who gets which bulletins and greetings goes by it (R6.2.2, R6.2.4)."""

    CHAIRMAN = "chairman"  # 董事长
    GENERAL_MANAGER = "general_manager"  # 总经理
    DEPUTY_GENERAL_MANAGER = "deputy_general_manager"  # 副总经理
    MANAGER = "manager"  # 部门负责人
    MIDDLE_MANAGER = "middle_manager"  # 中层管理人员
    KEY_BUSINESS = "key_business"  # 业务骨干
    WORKING_LEVEL = "working_level"  # 经办人员
    OTHER = "other"  # 其他,职务写在 title


class ConsentPurpose(StrEnum):
    """What a person agrees to, each purpose apart (个人信息保护法)."""

    MARKETING = "marketing"  # 节日问候、资讯
    BIRTHDAY = "birthday"  # 生日、纪念日问候
    IDENTITY_DOCUMENT = "identity_document"  # 留存身份证件


class Consent(BaseModel):
    """That a person has agreed to something, when, what shows it, and since when no longer."""

    model_config = ConfigDict(frozen=True, extra="allow")

    purpose: ConsentPurpose
    given_at: AwareDatetime
    evidence: str | None = None
    withdrawn_at: AwareDatetime | None = None


class Anniversary(BaseModel):
    """A day of a person's year: what it is, and when, in the form of `kehu.monthdays`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    person: str
    what: Personal
    day: Personal


class Contact(BaseModel):
    """A person at the customer (R4.2, R6.2.4). `person` names the key that seals the personal fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    person: str
    name: Personal
    title: str = ""
    post: ContactPost | None = None
    audience: Audience | None = None
    phone: Personal
    #: Beside `phone`, the one to call first.
    further_phones: tuple[Personal, ...] = ()
    #: Month and day, never the year, in the form of `kehu.monthdays`.
    birthday: Personal | None = None
    anniversaries: tuple[Anniversary, ...] = ()
    main: bool = False
    consents: tuple[Consent, ...] = ()
    #: Since when the person's agreement to marketing-like messages stands; None without one, or once withdrawn.
    marketing_consent_at: AwareDatetime | None = None


class LegalRepresentative(BaseModel):
    """Who represents the customer by law (法定代表人, or the operator of an individual business)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    person: str
    name: ContractPersonal


class BankTax(BaseModel):
    """Where the customer banks and how it is invoiced; an individual business's account is a person's: sealed."""

    model_config = ConfigDict(frozen=True, extra="allow")

    person: str
    bank: str | None = None
    account: ContractPersonal | None = None
    tax_number: str | None = None
    invoicing_address: str | None = None
    invoicing_phone: ContractPersonal | None = None


class Relation(BaseModel):
    """Another region or kind in which one customer is dealt with, and the salesperson who collaborates there (R4.2)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: CustomerKind
    region: str
    salesperson: str


class DossierSubmitted(PublishedFact, clause="R4.3"):
    """A salesperson asks the department manager to review a dossier (F4)."""

    customer: str
    number: str
    name: str
    department: str
    submitted_by: str
    #: The day on which it was asked for, and the last one for an answer before the superior is told.
    asked_on: date | None = None
    answer_due_on: date | None = None
    #: An existing customer is to be taken over as it stands: the manager, or somebody of 市场部, confirms it.
    take_over: bool = False


class DossierReturned(PublishedFact, clause="R4.3"):
    """The department manager gives a dossier back, saying why."""

    customer: str
    number: str
    name: str
    department: str
    submitted_by: str
    returned_by: str
    remarks: str
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


class CustomerRegistered(PublishedFact, clause="R4.3"):
    """The department manager has passed a dossier: it is archived and listed in F5."""

    customer: str
    number: str
    name: str
    kind: CustomerKind
    nature: str
    affiliation: Affiliation | None = None
    identity_kind: IdentityKind
    identity: str
    region: str
    department: str
    owner: str
    collaborators: tuple[str, ...] = ()
    contacts: tuple[Contact, ...] = ()
    important_potential: bool = False
    legal_representative: LegalRepresentative | None = None
    bank_tax: BankTax | None = None
    #: Whoever stands in one is among the collaborators.
    relations: tuple[Relation, ...] = ()
    #: Taken over at go-live as an existing customer, so not new for R6.2.1b.
    taken_over: bool = False
    registered_by: str
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


class CustomerChanged(PublishedFact, clause="R4.4"):
    """Fields of an archived dossier have changed; only those that changed are set. Old values stay in older facts."""

    customer: str
    name: str | None = None
    kind: CustomerKind | None = None
    affiliation: Affiliation | None = None
    #: The affiliation has ended (None in `affiliation` alone means that it did not change).
    affiliation_ended: bool = False
    #: What 市场部 bases the affiliation on, or its end.
    affiliation_proof: str | None = None
    identity_kind: IdentityKind | None = None
    identity: str | None = None
    region: str | None = None
    contacts: tuple[Contact, ...] | None = None
    important_potential: bool | None = None
    legal_representative: LegalRepresentative | None = None
    bank_tax: BankTax | None = None
    occurred_on: AwareDatetime | None = None
    #: Entered later than policy data calls prompt.
    late: bool = False
    proposed_by: str | None = None
    passed_by: str | None = None
    #: The proposal that has been passed (CustomerChangeProposed), where the change was a major one.
    change: str | None = None
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None

    def occurred(self, now: datetime) -> datetime:
        """When the change happened, where it is known to differ from when it was entered."""
        return self.occurred_on or now


class OwnerAssigned(PublishedFact, clause="R4.6"):
    """Another salesperson owns the customer from now on."""

    customer: str
    owner: str
    previous_owner: str | None = None
    department: str
    collaborators: tuple[str, ...] = ()
    #: All relations as they are now; None where they did not change.
    relations: tuple[Relation, ...] | None = None
    #: As in CustomerChanged.
    change: str | None = None
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


class CustomerChangeProposed(PublishedFact, clause="R4.4"):
    """A major change (name, identity, representative, bank or tax, owner, kind) waits for the department's manager."""

    customer: str
    change: str
    number: str
    name: str
    department: str
    #: The fields concerned, never their values.
    fields: tuple[str, ...]
    proposed_by: str
    #: The day on which it was asked for, and the last one for an answer before the superior is told.
    asked_on: date | None = None
    answer_due_on: date | None = None


class CustomerChangeDeclined(PublishedFact, clause="R4.4"):
    """The manager does not pass a major change, or whoever proposed it took it back."""

    customer: str
    change: str
    department: str
    remarks: str
    proposed_by: str
    declined_by: str
    #: For whom, where a delegate did it (B代A).
    on_behalf_of: str | None = None


class RelationRequested(PublishedFact, clause="R4.2"):
    """A salesperson asks to deal with an existing customer in a further region or kind; its manager decides."""

    customer: str
    relation: str
    number: str
    name: str
    department: str
    kind: CustomerKind
    region: str
    reason: str
    requested_by: str
    #: The day on which it was asked for, and the last one for an answer before the superior is told.
    asked_on: date | None = None
    answer_due_on: date | None = None


class RelationDeclined(PublishedFact, clause="R4.2"):
    """The manager does not agree to a relation, or whoever asked took it back. An agreed one is an OwnerAssigned."""

    customer: str
    relation: str
    number: str
    department: str
    remarks: str
    requested_by: str
    declined_by: str


class CustomerMergeProposed(PublishedFact, clause="R4"):
    """Somebody holds that two dossiers are of one customer, or (`undo`) that their merge was mistaken.

    A second person confirms or declines it.
    """

    customer: str
    merge: str
    merged: str
    survivor_number: str
    merged_number: str
    department: str
    merged_department: str
    duplicate_months: tuple[Month, ...] = ()
    reason: str
    proposed_by: str
    undo: bool = False


class CustomerMergeDeclined(PublishedFact, clause="R4"):
    """The two dossiers stay as they are: the second person disagrees, or whoever proposed it took it back."""

    customer: str
    merge: str
    merged: str
    department: str
    remarks: str
    proposed_by: str
    declined_by: str


class MonthAmount(BaseModel):
    """The contract volume of one month."""

    model_config = ConfigDict(frozen=True, extra="allow")

    month: Month
    amount_fen: Fen


class CustomersMerged(PublishedFact, clause="R4"):
    """Two dossiers are of one customer: both numbers lead to the survivor from now on. Stands in both streams."""

    customer: str
    survivor: str
    merged: str
    survivor_number: str
    merged_number: str
    #: Months whose volumes both had reported for the same contracts: they do not add up.
    duplicate_months: tuple[Month, ...] = ()
    #: What the merged one had contracted until then, for whoever adds it up with the survivor's; duplicates left out.
    merged_volumes: tuple[MonthAmount, ...] = ()
    reason: str
    proposed_by: str
    merged_by: str


class CustomersUnmerged(PublishedFact, clause="R4"):
    """A merge is undone: both live again; facts since then stay with the survivor unless moved. In both streams."""

    customer: str
    survivor: str
    merged: str
    reason: str
    undone_by: str
    proposed_by: str | None = None


class CustomerClosed(PublishedFact, clause="R4"):
    """The relation with a customer has ended; its dossier stays."""

    customer: str
    department: str
    reason: str
    closed_by: str


class CustomerReopened(PublishedFact, clause="R4"):
    """A closed customer is one again."""

    customer: str
    department: str
    reason: str
    reopened_by: str


class CustomerTakenOver(PublishedFact, clause="R4.3"):
    """An existing customer was taken over at go-live as it stands, with evidence and by two people.

    Comes after its CustomerRegistered (`taken_over`). What is not set was not the case: no agreement, never visited.
    """

    customer: str
    active_since: date | None = None
    agreement_signed_on: date | None = None
    agreement_valid_until: date | None = None
    agreement_digest: str | None = None
    visited_on: date | None = None
    grade: str | None = None
    graded_year: int | None = None
    evidence_digest: str
    proposed_by: str
    confirmed_by: str


class VerificationDue(PublishedFact, clause="R4.5.1"):
    """A dossier is to be verified this quarter by this person, until `due_on`; told again when another is appointed."""

    verification: str
    customer: str
    department: str
    quarter: str
    verifier: str
    due_on: date
    #: Who named the verifier, where a manager did.
    appointed_by: str | None = None
    #: When they are reminded next, if they are before it is overdue.
    remind_on: date | None = None


class VerifierNeeded(PublishedFact, clause="R4.5.1"):
    """Nobody of the department may verify a dossier: its manager is to appoint somebody. Told again as a reminder."""

    verification: str
    customer: str
    department: str
    quarter: str
    due_on: date
    overdue: bool = False
    remind_on: date | None = None


class VerificationReminded(PublishedFact, clause="R4.5.1"):
    """A verification is still open; `overdue` once the quarter has ended."""

    verification: str
    customer: str
    department: str
    quarter: str
    verifier: str
    overdue: bool
    remind_on: date | None = None


class VerificationDone(PublishedFact, clause="R4.5.1"):
    """A dossier was confirmed by its verifier, or is out of reach after three attempts, or needs none any more."""

    verification: str
    customer: str
    department: str
    quarter: str
    verifier: str
    outcome: Literal["unchanged", "changed", "unreachable", "cancelled"]
    method: Literal["phone", "fax", "mail", "revisit"] | None = None
    verified_on: date | None = None
    #: Version of the customer's stream at which the dossier was updated, where the outcome is `changed`.
    change: int | None = None
    #: Why none is needed any more, or why it counts as done: `merged`, `unmerged`, `closed`.
    because: Literal["merged", "unmerged", "closed"] | None = None


class MonthlyReportDue(PublishedFact, clause="R5.3.5"):
    """A month has ended: the department's manager is to report it until `closes_at`."""

    department: str
    month: Month
    closes_at: AwareDatetime


class MonthlyReportSubmitted(PublishedFact, clause="R5.3.5"):
    """A department has reported a month (nil allowed): new, changed and lost customers, credit and market remarks."""

    department: str
    month: Month
    late: bool
    nil: bool
    submitted_by: str
    #: For whom, where a delegate did (B代A).
    on_behalf_of: str | None = None


class MonthlyReportMissing(PublishedFact, clause="R5.3.5"):
    """A month has closed and a department has not reported it."""

    department: str
    month: Month


class PurchaseMeasureAssigned(PublishedFact, clause="R4.5.2"):
    """Something is to be done about a customer's purchases in a quarter, by this person until `due_on`."""

    measure: str
    customer: str
    department: str
    quarter: str
    responsible: str
    due_on: date
    assigned_by: str
    previous_responsible: str | None = None


class PurchaseMeasureOverdue(PublishedFact, clause="R4.5.2"):
    """Its day has passed and it is not done."""

    measure: str
    customer: str
    department: str
    quarter: str
    responsible: str
    due_on: date


class PurchaseMeasureClosed(PublishedFact, clause="R4.5.2"):
    """It is done, or was taken back."""

    measure: str
    customer: str
    department: str
    quarter: str
    responsible: str
    outcome: Literal["done", "withdrawn"]
    closed_by: str
    late: bool = False


class ContractVolumeReported(PublishedFact, clause="R5.3.5"):
    """The signed contract amount of one customer in one month, in fen, tax included; cancellations are negative.

    One report per customer and month; later amounts are `ContractVolumeCorrected`. Also accepted from other systems on
    ``kehu.inbound.customer-registry``: they send `customer` (Kehu's id or 客户编号), `month`, `amount_fen`.
    """

    customer: str
    month: Month
    amount_fen: Fen
    department: str | None = None
    #: Reported after the month had closed (24:00 on the 5th of the next).
    late: bool = False
    #: The sender's own number of the report, where another system sent it.
    reference: str | None = None


class ContractVolumeCorrected(PublishedFact, clause="R5.3.5"):
    """The amount of a month that had been reported before, stated anew with the reason."""

    customer: str
    month: Month
    amount_fen: Fen
    previous_fen: Fen
    reason: str
    reference: str | None = None
