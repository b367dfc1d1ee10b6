"""What a piece of news comes to: who is to be told now, and what waits for somebody not known yet. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from kehu.contracts.vetting import Step
from kehu.deciding import Context, Decision
from kehu.facts import Fact
from kehu_notifier.notices.company import Company
from kehu_notifier.notices.facts import (
    NOTICES,
    Audience,
    Need,
    NoticeAddressed,
    NoticeEnded,
    NoticeNeeded,
    Notices,
    RecipientKind,
    SignerNoted,
    key_of,
)
from kehu_notifier.templates.policy import templates_in_force


@dataclass(frozen=True, slots=True)
class News:
    """What a fact of another service means for whoever waits.

    Args:
        thing: what it is about.
        customer: whose.
        reason: the fact.
        needs: who is to be told what.
        ends: whether what was waited for so far is done.
        signers: who has just submitted or signed.

    """

    thing: str
    customer: str
    reason: UUID
    needs: Sequence[NoticeNeeded] = ()
    ends: bool = False
    signers: Sequence[SignerNoted] = ()


def follow(news: News, state: Notices, context: Context) -> Decision:
    """Note the news, and address whoever is known; a repetition says nothing new."""
    facts: list[Fact] = []
    if news.ends and state.anything_waits:
        facts.append(NoticeEnded(thing=news.thing, customer=news.customer, reason=news.reason))
    facts += [signer for signer in news.signers if signer not in state.signers]
    facts += [need for need in news.needs if key_of(need) not in state.needs]
    after = NOTICES.fold(facts, state)
    return Decision([*facts, *_addressed(_of(news.reason, after), context)])


def address(reason: UUID, state: Notices, context: Context) -> Decision:
    """Address whoever has turned up since a need was noted: an owner, a contact, somebody with the role."""
    return Decision(list(_addressed(_of(reason, state), context)))


def barred_from(step: Step, signers: Iterable[SignerNoted]) -> tuple[str, ...]:
    """Who may not sign a step: whoever submitted, or ever signed another step of the same qualification (R3.1.3).

    The general manager who registered it in the office's absence may still approve it.
    """
    barred = (
        noted.person
        for noted in signers
        if noted.step != step
        and not (noted.step is Step.REGISTRATION and noted.in_absence and step is Step.GENERAL_MANAGER)
    )
    return tuple(sorted(set(barred)))


def recipients(audience: Audience, company: Company, today: date) -> list[str]:
    """Who is to be told on that day, as far as they are known, each once."""
    match audience.kind:
        case "persons":
            found = list(dict.fromkeys(audience.persons))
        case "owner":
            found = [company.owner] if company.owner else []
        case "main_contact":
            found = [company.main_contact] if company.main_contact else []
        case "role":
            found = _with_role(audience, company, today)
    return [person for person in found if person not in audience.barred]


def _with_role(audience: Audience, company: Company, today: date) -> list[str]:
    for role in (audience.role, audience.stand_in):
        found = company.with_role(role, audience.department) if role else []
        told = [
            holder.person
            for holder in found
            if holder.answers_for(audience.step, today) and not holder.barred_by(audience.barred)
        ]
        if told:
            return list(dict.fromkeys(told))
    return []


def _of(reason: UUID, state: Notices) -> list[Need]:
    return [need for need in state.needs.values() if need.noted.reason == reason]


def _addressed(needs: Iterable[Need], context: Context) -> Iterator[NoticeAddressed]:
    company: Company = context.gathered
    templates = templates_in_force(context)
    for need in needs:
        if not need.open:
            continue
        noted = need.noted
        # What still waits is as fresh as on its first day to somebody who hears of it only now; news is not.
        since = context.now if noted.waiting else noted.reason_at
        kind: RecipientKind = "contact" if noted.audience.kind == "main_contact" else "employee"
        for person in recipients(noted.audience, company, context.today):
            if person not in need.told:
                yield NoticeAddressed(
                    thing=noted.thing,
                    customer=noted.customer,
                    reason=noted.reason,
                    template=noted.template,
                    audience_kind=noted.audience.kind,
                    recipient=person,
                    recipient_kind=kind,
                    department=noted.department,
                    values=noted.values,
                    expires_at=since + timedelta(hours=templates.of(noted.template).expires_after_hours),
                )
