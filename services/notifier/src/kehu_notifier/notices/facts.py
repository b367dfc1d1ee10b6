"""What somebody is to be told about one thing (a dossier, a qualification, a visit), and who has been addressed so far.

A need is noted the moment its reason arrives, whether or not anybody is known yet who should hear of it: the topics of
other services come in no order between them. Whoever turns up later, while it still matters, is addressed then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kehu.contracts.staff import Role
from kehu.contracts.vetting import Step
from kehu.deciding import Category
from kehu.facts import Fact
from kehu_notifier.templates.template import TemplateName

AudienceKind = Literal["persons", "role", "owner", "main_contact", "payer_owners"]
RecipientKind = Literal["employee", "contact"]


class Audience(BaseModel):
    """Who is to hear of something.

    Args:
        kind: certain persons; whoever has a role; the customer's owner; the customer's main contact; the owners of all
            customers that a settlement unit pays for.
        persons: the certain persons.
        role: the role, in `department` or in the whole company.
        stand_in: the role that is told where nobody has the first one (R3.1.3: registration by whoever approves).
        step: what is asked for, as delegations name it: delegates of whoever has the role are told too (People).
        department: where the role counts; of the others whose manager is told where all of them are leaving (R4.6).
        unit: the settlement unit.
        barred: who is not told: whoever did it, and who may not do what is asked for.

    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: AudienceKind
    persons: tuple[str, ...] = ()
    role: Role | None = None
    stand_in: Role | None = None
    step: str | None = None
    department: str | None = None
    unit: str | None = None
    barred: tuple[str, ...] = ()


class OfNotice(Fact, clause="Notifications"):
    """Something about a thing of a customer, who is the Kafka key of all of them; empty where it is nobody's."""

    thing: str
    customer: str


class NoticeNeeded(OfNotice):
    """A fact of another service makes somebody wait, or is news to them.

    `reason` is that fact, `reason_at` when it happened. `waiting`: it matters until something else happens
    (`NoticeEnded`), also to whoever gets the role meanwhile; else it is news, told to whoever is there. `place` tells
    apart the audiences of one kind that a fact tells the same.
    """

    reason: UUID
    reason_at: AwareDatetime
    template: TemplateName
    audience: Audience
    waiting: bool
    department: str | None = None
    #: What the reason tells, by the template's variables; never personal.
    values: dict[str, str]
    place: int = 0


class NoticeAddressed(OfNotice):
    """Somebody is to be told: a message to them follows from this."""

    reason: UUID
    template: TemplateName
    audience_kind: AudienceKind
    recipient: str
    recipient_kind: RecipientKind
    department: str | None = None
    values: dict[str, str]
    expires_at: AwareDatetime
    place: int = 0


class NoticeEnded(OfNotice):
    """What was waited for has been done, or is done by somebody else now; `reason` is the fact that says so.

    `for_good`: nothing will ever wait about the thing again, also where the fact that asks for it comes after this one.
    """

    reason: UUID
    for_good: bool = False


class SignerNoted(OfNotice):
    """Somebody submitted a qualification (no step) or signed a step of it, so other steps are not theirs (R3.1.3)."""

    person: str
    step: Step | None = None
    in_absence: bool = False


NeedKey = tuple[UUID, TemplateName, AudienceKind, int]


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to tell one audience, and who has been addressed."""

    noted: NoticeNeeded
    told: frozenset[str] = frozenset()
    ended: bool = False

    @property
    def open(self) -> bool:
        """Whether whoever turns up now is still to be told."""
        return not self.ended and (self.noted.waiting or not self.told)


@dataclass(frozen=True, slots=True)
class Notices:
    """Everything that was to be told about a thing; `over`: nothing waits about it any more, whatever comes."""

    needs: Mapping[NeedKey, Need] = field(default_factory=dict[NeedKey, Need])
    signers: tuple[SignerNoted, ...] = ()
    over: bool = False

    @property
    def anything_waits(self) -> bool:
        """Whether there is something that an end would end."""
        return any(need.noted.waiting and not need.ended for need in self.needs.values())


def key_of(fact: NoticeNeeded) -> NeedKey:
    """What tells a need from the others of its thing."""
    return fact.reason, fact.template, fact.audience.kind, fact.place


def _evolve(state: Notices, fact: Fact) -> Notices:
    match fact:
        case NoticeNeeded():
            return replace(state, needs={**state.needs, key_of(fact): Need(fact)})
        case NoticeAddressed():
            key = (fact.reason, fact.template, fact.audience_kind, fact.place)
            need = state.needs[key]
            return replace(state, needs={**state.needs, key: replace(need, told=need.told | {fact.recipient})})
        case NoticeEnded():
            ended = {key: replace(need, ended=need.ended or need.noted.waiting) for key, need in state.needs.items()}
            return replace(state, needs=ended, over=state.over or fact.for_good)
        case SignerNoted():
            return replace(state, signers=(*state.signers, fact))
        case _:
            return state


NOTICES = Category("notice", (NoticeNeeded, NoticeAddressed, NoticeEnded, SignerNoted), Notices(), _evolve)
