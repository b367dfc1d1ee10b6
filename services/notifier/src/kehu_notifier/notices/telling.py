"""How a fact of another service becomes news: what is needed of whom, and the reaction that notes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kehu.contracts.staff import DelegableStep, Role
from kehu.deciding import Context, Decision
from kehu.facts import Fact, RecordedFact
from kehu.service import Reaction
from kehu_notifier.notices.company import gather
from kehu_notifier.notices.decisions import News, follow
from kehu_notifier.notices.facts import NOTICES, Audience, NoticeNeeded, Notices
from kehu_notifier.templates.template import TemplateName
from kehu_notifier.templates.words import SOON

REGISTRY = "customer-registry"
VETTING = "vetting"
GRADING = "grading"
ENGAGEMENT = "engagement"
NOTIFIER = "notifier"

OWNER = Audience(kind="owner")
MAIN_CONTACT = Audience(kind="main_contact")

Tells = Callable[[RecordedFact[Any], Notices], News]
#: What a fact is news about: the name of its field, or what gives it from the fact; None where it is no news.
Thing = str | Callable[[Any], str | None]


def person(*people: str) -> Audience:
    """Certain people."""
    return Audience(kind="persons", persons=people)


def holders(
    role: Role, department: str | None = None, *, step: DelegableStep | None = None, barred: Sequence[str] = ()
) -> Audience:
    """Whoever has a role, in a department or (None) in the whole company; their delegates too where a step is asked."""
    return Audience(kind="role", role=role, department=department, step=step, barred=tuple(barred))


def customer_of(fact: Fact) -> str:
    """Whose the news is; empty where it is no customer's."""
    return getattr(fact, "customer", None) or ""


def need(
    recorded: RecordedFact[Any],
    thing: str,
    template: TemplateName,
    audience: Audience,
    values: Mapping[str, str] | None = None,
    *,
    waiting: bool = False,
) -> NoticeNeeded:
    """A need with this fact for its reason. Whoever did it is not told what they know.

    Args:
        recorded: the fact.
        thing: what it is about.
        template: what is said.
        audience: to whom.
        values: of the template's variables.
        waiting: whether it matters until something else happens; else it is news.

    """
    department = getattr(recorded.fact, "department", None)
    about = {"barred": tuple(dict.fromkeys((*audience.barred, recorded.actor)))}
    # Of a role, no department is the whole company; of others it is whose manager steps in (R4.6).
    where = {} if audience.kind == "role" else {"department": department}
    return NoticeNeeded(
        thing=thing,
        customer=customer_of(recorded.fact),
        reason=recorded.id,
        reason_at=recorded.occurred_at,
        template=template,
        audience=audience.model_copy(update={**about, **where}),
        waiting=waiting,
        department=department,
        values=dict(values or {}),
    )


def tell_all(
    recorded: RecordedFact[Any],
    thing: str,
    template: TemplateName,
    audiences: Sequence[Audience],
    values: Mapping[str, str] | None = None,
    *,
    waiting: bool = False,
) -> list[NoticeNeeded]:
    """Needs to tell several audiences the same; as `need`."""
    return [need(recorded, thing, template, one, values, waiting=waiting) for one in audiences]


def news(
    recorded: RecordedFact[Any], thing: str, *needs: NoticeNeeded, ends: bool = False, for_good: bool = False
) -> News:
    """What a fact means; `ends`, `for_good` as in `News`."""
    return News(thing, customer_of(recorded.fact), recorded.id, needs, ends=ends, for_good=for_good)


def ended(thing: Thing, *, for_good: bool = False) -> Tells:
    """Nobody waits for the thing any more (`for_good`: nor ever will again), and nobody is told so."""

    def tells(recorded: RecordedFact[Any], _state: Notices) -> News:
        return news(recorded, thing_of(thing, recorded.fact) or "", ends=True, for_good=for_good)

    return tells


def due_of(fact: Any) -> str:
    """The last day for an answer before the superior is told, where the fact knows it (People)."""
    return fact.answer_due_on.isoformat() if fact.answer_due_on else SOON


def thing_of(thing: Thing, fact: Any) -> str | None:
    """What a fact is news about."""
    return str(getattr(fact, thing)) if isinstance(thing, str) else thing(fact)


def telling(name: str, on: type[Fact], source: str, thing: Thing, tells: Tells) -> Reaction:
    """The reaction that notes what a fact means for whoever waits.

    Args:
        name: never reused for something else.
        on: the fact.
        source: the service whose it is.
        thing: what it is news about. Facts about one thing have one Kafka key, so that they come in their order.
        tells: what it means, from the fact and what was told about the thing so far.

    """

    def decide(recorded: RecordedFact[Any], state: Notices, context: Context) -> Decision:
        return follow(tells(recorded, state), state, context)

    def stream_ids(recorded: RecordedFact[Any]) -> list[str]:
        found = thing_of(thing, recorded.fact)
        return [found] if found else []

    return Reaction(name, on, source, NOTICES, stream_ids, decide, gather)
