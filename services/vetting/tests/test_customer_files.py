"""What vetting notes of a customer, and who sees what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kehu.contracts.customers import CustomerChanged, CustomerKind, CustomerRegistered, IdentityKind, OwnerAssigned
from kehu.deciding import Actor, Context, Decision, system_actor
from kehu.errors import NotFound
from kehu.facts import Fact, RecordedFact
from kehu.ids import new_id
from kehu_vetting.customer_files import reactions
from kehu_vetting.customer_files.facts import CUSTOMER_FILES, CustomerFile
from kehu_vetting.sight import Sight, check_visible, mask, scope, sight
from kehu_vetting.testing import DEPARTMENT, FILE, USCC, person

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CONTEXT = Context(system_actor("vetting", "test"), NOW)
REGISTERED = CustomerRegistered(
    customer=FILE.customer,
    number=FILE.number,
    name=FILE.name,
    kind=CustomerKind.PROVINCIAL_AGENT,
    nature="limited",
    identity_kind=IdentityKind.USCC,
    identity=USCC,
    region="浙江",
    department=DEPARTMENT,
    owner="sales",
    registered_by="manager",
)
_DECIDE: dict[type[Fact], Callable[..., Decision]] = {
    CustomerRegistered: reactions.note_registered,
    CustomerChanged: reactions.note_changed,
    OwnerAssigned: reactions.note_owner,
}


def noted(*facts: Any) -> CustomerFile:
    """The file after some of the registry's facts."""
    state = CustomerFile()
    for version, fact in enumerate(facts, 1):
        recorded = RecordedFact(
            fact=fact,
            id=new_id(),
            stream=f"dossier-{fact.customer}",
            version=version,
            sequence=version,
            key=fact.customer,
            service="customer-registry",
            actor="x",
            clause="",
            correlation=new_id(),
            causation=None,
            occurred_at=NOW,
            recorded_at=NOW,
        )
        state = CUSTOMER_FILES.fold(_DECIDE[type(fact)](recorded, state, CONTEXT).facts, state)
    return state


def test_a_registered_customer_may_be_vetted() -> None:
    assert noted(REGISTERED) == FILE
    assert noted(REGISTERED).registered
    assert not noted(OwnerAssigned(customer=FILE.customer, owner="x", department="west")).registered


def test_only_what_matters_here_is_noted() -> None:
    contacts = CustomerChanged(customer=FILE.customer, contacts=(), region="江苏")
    assert noted(REGISTERED, contacts) == FILE
    renamed = CustomerChanged(customer=FILE.customer, name="新名", kind=CustomerKind.DEALER)
    changed = replace(FILE, name="新名", kind=CustomerKind.DEALER, changes=1, account_asked_since=NOW.date())
    assert noted(REGISTERED, renamed) == changed
    owner = OwnerAssigned(customer=FILE.customer, owner="li", department="west", collaborators=("zhao",))
    assert noted(REGISTERED, owner) == replace(FILE, owner="li", department="west", collaborators=("zhao",))


def test_the_same_again_is_no_news() -> None:
    state = noted(REGISTERED)
    assert not reactions.note_changed(
        RecordedFact(
            fact=CustomerChanged(customer=FILE.customer, name=FILE.name),
            id=new_id(),
            stream="dossier-x",
            version=2,
            sequence=2,
            key="x",
            service="customer-registry",
            actor="x",
            clause="",
            correlation=new_id(),
            causation=None,
            occurred_at=NOW,
            recorded_at=NOW,
        ),
        state,
        CONTEXT,
    ).facts


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        (person("sales", "salesperson"), Sight.ALL),
        (person("helper", "salesperson"), Sight.ALL),
        (person("x", "salesperson"), Sight.NOTHING),
        (person("x", "vetter"), Sight.ALL),
        (person("x", "dept_manager", department="west"), Sight.NOTHING),
        (person("x", "finance", department=None), Sight.ALL),
        (person("x", "auditor", department=None), Sight.MASKED),
        (person("x", "warehouse", department=None), Sight.NOTHING),
        (replace(person("x", "finance", department=None), departing=True), Sight.NOTHING),
        (replace(person("sales", "salesperson"), departing=True), Sight.MASKED),
    ],
)
def test_who_sees_what_belongs_to_a_customer(who: Actor, seen: Sight) -> None:
    file = replace(FILE, collaborators=("helper",))
    assert sight(file, who) is seen
    shown = scope(who)
    own = who.id in ("sales", "helper")
    assert (shown.everything or DEPARTMENT in shown.departments or own) == (seen is not Sight.NOTHING)
    if seen is Sight.NOTHING:
        with pytest.raises(NotFound):
            check_visible(file, who)


def test_masks_keep_an_outline() -> None:
    assert mask("王小明") == "王**"
    assert mask("110101199003070011") == "1***************11"
    assert mask("") == ""
    assert mask("已删除") == "已删除"
