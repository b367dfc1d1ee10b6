"""What tests of the registry stand on: people, a complete form, and cases that commands are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

from kehu import calendar
from kehu.commands import Done
from kehu.contracts.customers import Contact, CustomerKind, IdentityKind
from kehu.contracts.staff import DepartmentOpened, Role, RoleGranted, StaffMemberAppointed
from kehu.deciding import Actor, Category, Context, Decision, Grant, Mandate, system_actor
from kehu.errors import KehuError
from kehu.escalating import ESCALATION
from kehu.event_store import Claim, Taken
from kehu.facts import START, Fact
from kehu.identifiers import uscc_check_digit
from kehu.parts import Running
from kehu.spreadsheets import write_rows
from kehu_customer_registry.commitments.facts import Commitments
from kehu_customer_registry.departures.policy import DEPARTING
from kehu_customer_registry.dossiers import closing, decisions
from kehu_customer_registry.dossiers.content import Nature
from kehu_customer_registry.dossiers.decisions import DraftDossier, SalesForce
from kehu_customer_registry.dossiers.facts import DOSSIERS, Dossier
from kehu_customer_registry.dossiers.policy import DOSSIER_KEEPING
from kehu_customer_registry.imports.rows import COLUMNS
from kehu_customer_registry.staff.decisions import KEY_ROLES
from kehu_customer_registry.staff.facts import DEPARTMENTS, STAFF, StaffMember
from kehu_customer_registry.verification.policy import VERIFYING
from kehu_customer_registry.volumes.decisions import VOLUME_REPORTING

S = TypeVar("S")

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
CUSTOMER = "c-1"
NUMBER = "K000001"
EAST, WEST = "east", "west"
USCC = "91110000600037341L"
OTHER_USCC = "9144030071526726XG"
POLICIES = {
    kind.name: kind.initial for kind in (KEY_ROLES, ESCALATION, DEPARTING, VOLUME_REPORTING, VERIFYING, DOSSIER_KEEPING)
}


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
CHIEF = person("chief", "dept_manager", department=None)
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


@dataclass
class Company:
    """Several streams, and commands that concern some of them together; what people may do follows from the facts.

    Args:
        now: the policy's time.
        facts: recorded so far, by stream.
        claims: values that are taken, with their holders.

    """

    now: datetime = NOW
    facts: dict[str, list[Fact]] = field(default_factory=dict[str, list[Fact]])
    claims: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def state(self, category: Category[S], stream_id: str) -> S:
        """What the facts of one thing add up to."""
        return category.fold(self.facts.get(category.stream(stream_id), []))

    def actor(self, person_id: str) -> Actor:
        """Somebody with the roles and delegations that they have at this moment."""
        member = self.state(STAFF, person_id)
        today = calendar.today(self.now)
        left = member.has_left(today)
        held = [one for one in member.standing_in.values() if one.is_open(today) and one.first_day <= today]
        principals = {one.principal: self.state(STAFF, one.principal) for one in held}
        return Actor(
            id=person_id,
            grants=_grants(member),
            departing=member.leaving is not None,
            gone=left,
            mandates=tuple(
                Mandate(one.id, one.principal, one.steps, _grants(principals[one.principal]))
                for one in held
                if member.at_work and not principals[one.principal].has_left(today)
            ),
        )

    def record(self, category: Category[Any], stream_id: str, *facts: Fact) -> None:
        """Record facts as they stand."""
        self.facts.setdefault(category.stream(stream_id), []).extend(facts)

    def do(
        self,
        decide: Callable[[Sequence[Any], Context], Sequence[Decision]],
        actor: Actor,
        things: Sequence[tuple[Category[Any], str]],
        gathered: Any = None,
    ) -> list[Fact]:
        """Decide on several things together, and record what follows.

        Raises:
            KehuError: as `decide` raised it, or a value is taken; nothing is recorded then.

        """
        context = Context(actor, self.now, POLICIES, gathered)
        decisions_ = decide([self.state(category, name) for category, name in things], context)
        claims = [claim for decision in decisions_ for claim in decision.claims]
        for claim in claims:
            holder = self.claims.get((claim.scope, claim.value), claim.holder)
            if not claim.release and holder != claim.holder:
                raise Taken(claim.scope, claim.value, holder, None, None)
        for claim in claims:
            if claim.release:
                self.claims.pop((claim.scope, claim.value), None)
            else:
                self.claims[claim.scope, claim.value] = claim.holder
        for (category, name), decision in zip(things, decisions_, strict=True):
            self.record(category, name, *decision.facts)
        return [fact for decision in decisions_ for fact in decision.facts]

    def attempt(
        self,
        decide: Callable[[Sequence[Any], Context], Sequence[Decision]],
        actor: Actor,
        things: Sequence[tuple[Category[Any], str]],
        gathered: Any = None,
    ) -> list[Fact] | None:
        """Decide; None where it is refused, which must say why and how to go on.

        Raises:
            AssertionError: the refusal does not.

        """
        try:
            return self.do(decide, actor, things, gathered)
        except KehuError as refusal:
            if not (refusal.zh and refusal.en and (refusal.clause or isinstance(refusal, Taken))):
                raise AssertionError(f"A refusal that tells too little: {refusal!r}") from refusal
            return None

    def employ(self, person_id: str, *posts: tuple[Role, str | None]) -> None:
        """Have somebody work here, in these posts."""
        self.record(
            STAFF,
            person_id,
            StaffMemberAppointed(person=person_id, number=person_id, name=person_id, department=posts[0][1]),
            *(RoleGranted(person=person_id, role=role, department=where, granted_by="admin") for role, where in posts),
        )


def _grants(member: StaffMember) -> tuple[Grant, ...]:
    return tuple(Grant(role.value, where) for role, where in sorted(member.posts, key=str))


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


# --- a service that runs ---------------------------------------------------------------------------------------------


async def employ(running: Running, departments: Iterable[str], people: Mapping[str, tuple[Role, str | None]]) -> Done:
    """Open departments, and have people work there from staff number 1001 on; the last command's outcome."""
    context = Context(system_actor("test", "staff"), running.clock.now())
    for code in departments:
        opened = Decision([DepartmentOpened(department=code, name=code, region=code)])
        await running.commands.handle(DEPARTMENTS, code, partial(_given, opened), context, must_exist=False)
    done = Done("", 0, START, {})
    for number, (who, (role, department)) in enumerate(people.items(), 1001):
        appointed = Decision(
            [
                StaffMemberAppointed(person=who, number=str(number), name=who, department=department),
                RoleGranted(person=who, role=role, department=department, granted_by="admin"),
            ]
        )
        done = await running.commands.handle(STAFF, who, partial(_given, appointed), context, must_exist=False)
    return done


def _given(decision: Decision, _state: Any, _context: Context) -> Decision:
    return decision


def uscc(serial: int) -> str:
    """A valid code that no other serial has."""
    body = f"91330100MA2{serial:06}"
    return body + uscc_check_digit(body)


def import_row(serial: int, **cells: Any) -> dict[str, Any]:
    """A row of a file of existing dossiers, of the person with the staff number 1001; each serial's is another's."""
    return {
        "客户名称": f"浙江第{serial}贸易有限公司",
        "客户类别": "经销商",
        "企业性质": "有限责任公司",
        "主管单位": "无",
        "地址": f"杭州市西湖区文三路 {serial} 号",
        "区域": "浙江",
        "证照种类": "统一社会信用代码",
        "证照号码": uscc(serial),
        "负责营销员": "1001",
        "联系人": "王小明",
        "联系电话": f"138{serial:08}",
        **cells,
    }


def import_book(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A file with these rows."""
    return write_rows(list(COLUMNS), ([row.get(heading) for heading in COLUMNS] for row in rows))


#: Closing a customer that has neither an open review nor released goods.
close_free = partial(closing.close_customer, holds=Commitments())
