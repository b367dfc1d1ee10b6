"""What dossiers make people wait for: reviews, major changes, relations, merges; and whose a customer is (R4)."""

from __future__ import annotations

from kehu.contracts.customers import (
    CustomerChanged,
    CustomerChangeDeclined,
    CustomerChangeProposed,
    CustomerClosed,
    CustomerMergeDeclined,
    CustomerMergeProposed,
    CustomerRegistered,
    CustomerReopened,
    CustomersMerged,
    CustomersUnmerged,
    DossierReturned,
    DossierSubmitted,
    OwnerAssigned,
    RelationDeclined,
    RelationRequested,
)
from kehu.contracts.staff import DelegableStep, Role
from kehu.facts import RecordedFact
from kehu_notifier.notices.decisions import News
from kehu_notifier.notices.facts import Notices
from kehu_notifier.notices.telling import (
    OWNER,
    REGISTRY,
    due_of,
    ended,
    holders,
    need,
    news,
    person,
    tell_all,
    telling,
)
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.words import BETWEEN


def dossier_submitted(recorded: RecordedFact[DossierSubmitted], _state: Notices) -> News:
    """The department's manager is to review it; one that is taken over, the manager or 市场部 confirms."""
    fact = recorded.fact
    barred = [fact.submitted_by]
    audiences = [holders(Role.DEPT_MANAGER, fact.department, step=DelegableStep.DOSSIER_REVIEW, barred=barred)]
    if fact.take_over:
        audiences.append(holders(Role.MARKET_DEPT, barred=barred))
    template = TemplateName.TAKE_OVER_TO_CONFIRM if fact.take_over else TemplateName.DOSSIER_TO_REVIEW
    needs = tell_all(recorded, fact.customer, template, audiences, {"due": due_of(fact)}, waiting=True)
    return news(recorded, fact.customer, *needs, ends=True)


def dossier_returned(recorded: RecordedFact[DossierReturned], _state: Notices) -> News:
    """The salesperson is to mend it; the next submission or registration ends that."""
    fact = recorded.fact
    needed = need(recorded, fact.customer, TemplateName.DOSSIER_RETURNED, person(fact.submitted_by), waiting=True)
    return news(recorded, fact.customer, needed, ends=True)


# --- major changes (R4.4) --------------------------------------------------------------------------------------------


def change_proposed(recorded: RecordedFact[CustomerChangeProposed], _state: Notices) -> News:
    """The department's manager is to pass it, or to say why not."""
    fact = recorded.fact
    managers = holders(Role.DEPT_MANAGER, fact.department, step=DelegableStep.DOSSIER_CHANGE, barred=[fact.proposed_by])
    values = {"fields": BETWEEN.join(fact.fields), "due": due_of(fact)}
    needed = need(recorded, fact.change, TemplateName.CHANGE_TO_REVIEW, managers, values, waiting=True)
    return news(recorded, fact.change, needed)


def change_declined(recorded: RecordedFact[CustomerChangeDeclined], _state: Notices) -> News:
    """Whoever proposed it is told."""
    fact = recorded.fact
    told = need(recorded, fact.change, TemplateName.CHANGE_DECLINED, person(fact.proposed_by))
    return news(recorded, fact.change, told, ends=True)


def change_passed(recorded: RecordedFact[CustomerChanged], _state: Notices) -> News:
    """Whoever proposed it is told that it holds."""
    fact = recorded.fact
    thing = fact.change or ""
    proposers = [person(fact.proposed_by)] if fact.proposed_by else []
    return news(recorded, thing, *tell_all(recorded, thing, TemplateName.CHANGE_PASSED, proposers), ends=True)


def _change(fact: CustomerChanged) -> str | None:
    return fact.change


# --- whose a customer is (R4.2, R4.4, R4.6) --------------------------------------------------------------------------


def owner_assigned(recorded: RecordedFact[OwnerAssigned], _state: Notices) -> News:
    """The new owner is told; of a relation that was agreed, the owner and whoever collaborates."""
    fact, thing = recorded.fact, _assignment(recorded.fact)
    if fact.previous_owner is not None:
        told = [need(recorded, thing, TemplateName.OWNER_ASSIGNED, person(fact.owner))]
    elif fact.change is not None:
        told = [need(recorded, thing, TemplateName.RELATION_AGREED, person(fact.owner, *fact.collaborators))]
    else:
        told = []  # collaborators of a handover: the successor is told with it
    return news(recorded, thing, *told, ends=True)


def _assignment(fact: OwnerAssigned) -> str:
    return fact.change or f"{fact.customer}:owner"


def relation_requested(recorded: RecordedFact[RelationRequested], _state: Notices) -> News:
    """The manager of the customer's department is to agree, or to say why not."""
    fact = recorded.fact
    step, barred = DelegableStep.DOSSIER_CHANGE, [fact.requested_by]
    managers = holders(Role.DEPT_MANAGER, fact.department, step=step, barred=barred)
    values = {"region": fact.region, "due": due_of(fact)}
    needed = need(recorded, fact.relation, TemplateName.RELATION_TO_REVIEW, managers, values, waiting=True)
    return news(recorded, fact.relation, needed)


def relation_declined(recorded: RecordedFact[RelationDeclined], _state: Notices) -> News:
    """Whoever asked is told."""
    fact = recorded.fact
    told = need(recorded, fact.relation, TemplateName.RELATION_DECLINED, person(fact.requested_by))
    return news(recorded, fact.relation, told, ends=True)


def customer_closed(recorded: RecordedFact[CustomerClosed], _state: Notices) -> News:
    """The owner is told, and 市场部, who owns all customer information."""
    thing = _life(recorded.fact)
    audiences = (OWNER, holders(Role.MARKET_DEPT))
    return news(recorded, thing, *tell_all(recorded, thing, TemplateName.CUSTOMER_CLOSED, audiences))


def customer_reopened(recorded: RecordedFact[CustomerReopened], _state: Notices) -> News:
    """The owner is told, and 市场部."""
    thing = _life(recorded.fact)
    audiences = (OWNER, holders(Role.MARKET_DEPT))
    return news(recorded, thing, *tell_all(recorded, thing, TemplateName.CUSTOMER_REOPENED, audiences))


def _life(fact: CustomerClosed | CustomerReopened) -> str:
    return f"{fact.customer}:life"


# --- merges (R4) -----------------------------------------------------------------------------------------------------


def merge_proposed(recorded: RecordedFact[CustomerMergeProposed], _state: Notices) -> News:
    """A second person confirms it: the managers of both departments, or 市场部."""
    fact, thing = recorded.fact, _merge(recorded.fact)
    departments = dict.fromkeys((fact.department, fact.merged_department))
    audiences = [holders(Role.DEPT_MANAGER, department) for department in departments]
    values = {"survivor": fact.survivor_number, "merged": fact.merged_number}
    audiences.append(holders(Role.MARKET_DEPT))
    template = TemplateName.UNMERGE_TO_CONFIRM if fact.undo else TemplateName.MERGE_TO_CONFIRM
    needs = tell_all(recorded, thing, template, audiences, values, waiting=True)
    return news(recorded, thing, *needs, ends=True)


def merge_declined(recorded: RecordedFact[CustomerMergeDeclined], _state: Notices) -> News:
    """Whoever proposed it is told."""
    fact, thing = recorded.fact, _merge(recorded.fact)
    told = need(recorded, thing, TemplateName.MERGE_DECLINED, person(fact.proposed_by))
    return news(recorded, thing, told, ends=True)


def customers_merged(recorded: RecordedFact[CustomersMerged], _state: Notices) -> News:
    """The survivor's owner and whoever proposed it are told; the fact stands in both streams and is told once."""
    fact, thing = recorded.fact, _merge(recorded.fact)
    if fact.customer != fact.survivor:
        return news(recorded, thing)
    values = {"survivor": fact.survivor_number, "merged": fact.merged_number}
    audiences = (OWNER, person(fact.proposed_by))
    needs = tell_all(recorded, thing, TemplateName.CUSTOMERS_MERGED, audiences, values)
    return news(recorded, thing, *needs, ends=True)


def customers_unmerged(recorded: RecordedFact[CustomersUnmerged], _state: Notices) -> News:
    """The owner of each of the two is told: the fact stands in both streams."""
    fact, thing = recorded.fact, _merge(recorded.fact)
    told = need(recorded, thing, TemplateName.CUSTOMERS_UNMERGED, OWNER)
    return news(recorded, thing, told, ends=fact.customer == fact.survivor)


def _merge(fact: CustomerMergeProposed | CustomerMergeDeclined | CustomersMerged | CustomersUnmerged) -> str:
    survivor = fact.survivor if isinstance(fact, CustomersMerged | CustomersUnmerged) else fact.customer
    return f"merge:{survivor}:{fact.merged}"


REACTIONS = (
    telling("tell-dossier-submitted", DossierSubmitted, REGISTRY, "customer", dossier_submitted),
    telling("tell-dossier-returned", DossierReturned, REGISTRY, "customer", dossier_returned),
    telling("tell-customer-registered", CustomerRegistered, REGISTRY, "customer", ended("customer")),
    telling("tell-change-proposed", CustomerChangeProposed, REGISTRY, "change", change_proposed),
    telling("tell-change-declined", CustomerChangeDeclined, REGISTRY, "change", change_declined),
    telling("tell-change-passed", CustomerChanged, REGISTRY, _change, change_passed),
    telling("tell-owner-assigned", OwnerAssigned, REGISTRY, _assignment, owner_assigned),
    telling("tell-relation-requested", RelationRequested, REGISTRY, "relation", relation_requested),
    telling("tell-relation-declined", RelationDeclined, REGISTRY, "relation", relation_declined),
    telling("tell-customer-closed", CustomerClosed, REGISTRY, _life, customer_closed),
    telling("tell-customer-reopened", CustomerReopened, REGISTRY, _life, customer_reopened),
    telling("tell-merge-proposed", CustomerMergeProposed, REGISTRY, _merge, merge_proposed),
    telling("tell-merge-declined", CustomerMergeDeclined, REGISTRY, _merge, merge_declined),
    telling("tell-customers-merged", CustomersMerged, REGISTRY, _merge, customers_merged),
    telling("tell-customers-unmerged", CustomersUnmerged, REGISTRY, _merge, customers_unmerged),
)
