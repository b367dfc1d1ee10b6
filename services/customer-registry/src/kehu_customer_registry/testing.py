"""What tests of the registry stand on: people, a complete form, and cases that commands are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from kehu.contracts.customers import Contact, CustomerKind, IdentityKind
from kehu.deciding import Actor, Category, Context, Decision, Grant, system_actor
from kehu.errors import KehuError
from kehu.event_store import Claim
from kehu.facts import Fact
from kehu_customer_registry.dossiers import decisions
from kehu_customer_registry.dossiers.decisions import DraftDossier, SalesForce
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier, Nature
from kehu_customer_registry.staff.decisions import KEY_ROLES
from kehu_customer_registry.volumes.decisions import VOLUME_REPORTING

S = TypeVar("S")

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
CUSTOMER = "c-1"
NUMBER = "K000001"
EAST, WEST = "east", "west"
USCC = "91110000600037341L"
OTHER_USCC = "9144030071526726XG"
POLICIES = {KEY_ROLES.name: KEY_ROLES.initial, VOLUME_REPORTING.name: VOLUME_REPORTING.initial}


def person(name: str, *roles: str, department: str | None = EAST, departing: bool = False) -> Actor:
    """Somebody with roles in a department, or (None) in the whole company."""
    return Actor(id=name, grants=tuple(Grant(role, department) for role in roles), departing=departing)


SYSTEM = system_actor("customer-registry", "bootstrap")
ADMIN = person("admin", "admin", department=None)
ADMIN2 = person("admin2", "admin", department=None)
SALES = person("sales", "salesperson")
HELPER = person("helper", "salesperson")
STRANGER = person("stranger", "salesperson")
VETTER = person("vetter", "vetter")
MANAGER = person("manager", "dept_manager")
WEST_MANAGER = person("wanda", "dept_manager", department=WEST)
SELLING_MANAGER = person("both", "salesperson", "dept_manager")
MARKET = person("market", "market_dept", department=None)
AUDITOR = person("auditor", "auditor", department=None)

CONTACT = Contact(person="p-1", name="王小明", phone="+8613800138000", title="总经理", audience="I", main=True)
COMPLETE: dict[str, Any] = {
    "name": "杭州甲乙贸易有限公司",
    "kind": CustomerKind.PROVINCIAL_AGENT,
    "nature": Nature.LIMITED_LIABILITY,
    "supervising_body": "无",
    "address": "杭州市西湖区文三路 1 号",
    "region": "浙江",
    "identity_kind": IdentityKind.USCC,
    "identity": USCC,
    "contacts": (CONTACT,),
}
NEW_PEOPLE = frozenset({CONTACT.person})
FORCE = SalesForce({"sales": frozenset({EAST}), "helper": frozenset({EAST}), "westie": frozenset({WEST})})


@dataclass
class Case(Generic[S]):
    """One stream: the facts recorded so far, and commands to try on it.

    Args:
        category: of the stream.
        gathered: what routes look up for its commands.
        now: the policy's time.
        facts: recorded so far.
        claims: of the last decision.

    """

    category: Category[S]
    gathered: Any = None
    now: datetime = NOW
    facts: list[Fact] = field(default_factory=list[Fact])
    claims: Sequence[Claim] = ()

    @property
    def state(self) -> S:
        """What the facts add up to."""
        return self.category.fold(self.facts)

    def do(self, decide: Callable[..., Decision], actor: Actor, command: Any = None, **options: Any) -> list[Any]:
        """Decide, and record what follows from it."""
        context = Context(actor, self.now, POLICIES, self.gathered)
        arguments = [self.state, context] if command is None else [command, self.state, context]
        decision = decide(*arguments, **options)
        self.facts += decision.facts
        self.claims = decision.claims
        return list(decision.facts)

    def attempt(self, decide: Callable[..., Decision], actor: Actor, command: Any = None) -> list[Any] | None:
        """Decide; None where it is refused, which must say why and how to go on, and leave everything as it was.

        Raises:
            AssertionError: the refusal does not.

        """
        before = list(self.facts)
        try:
            return self.do(decide, actor, command)
        except KehuError as refusal:
            if not (refusal.zh and refusal.en and refusal.clause) or self.facts != before:
                raise AssertionError(f"A refusal that tells too little: {refusal!r}") from refusal
            return None


def dossier(**other: Any) -> Case[Dossier]:
    """A dossier that the salesperson has drafted completely, and whatever is said otherwise."""
    case = Case(DOSSIERS, FORCE)
    command = DraftDossier(CUSTOMER, NUMBER, EAST, {**COMPLETE, **other}, NEW_PEOPLE)
    case.do(decisions.draft_dossier, SALES, command)
    return case


def submitted(**other: Any) -> Case[Dossier]:
    """One that waits for review."""
    case = dossier(**other)
    case.do(decisions.submit_dossier, SALES)
    return case


def archived(**other: Any) -> Case[Dossier]:
    """One that was passed."""
    case = submitted(**other)
    case.do(decisions.pass_dossier, MANAGER)
    return case
