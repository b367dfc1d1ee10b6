"""What a piece of news comes to: who is to be told now, and what waits for somebody not known yet. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from kehu.contracts.staff import Role
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
from kehu_notifier.templates.template import TOLD_TO_LEAVERS


@dataclass(frozen=True, slots=True)
class News:
    """What a fact of another service means for whoever waits.

    Args:
        thing: what it is about.
        customer: whose.
        reason: the fact.
        needs: who is to be told what.
        ends: whether what was waited for so far is done.
        for_good: it is, whatever comes after; nothing will wait about the thing again.
        signers: who has just submitted or signed.

    """

    thing: str
    customer: str
    reason: UUID
    needs: Sequence[NoticeNeeded] = ()
    ends: bool = False
    for_good: bool = False
    signers: Sequence[SignerNoted] = ()


def follow(news: News, state: Notices, context: Context) -> Decision:
    """Note the news, and address whoever is known; a repetition says nothing new."""
    facts: list[Fact] = []
    closes = news.for_good and not state.over
    if closes or (news.ends and state.anything_waits):
        facts.append(NoticeEnded(thing=news.thing, customer=news.customer, reason=news.reason, for_good=news.for_good))
    facts += [signer for signer in news.signers if signer not in state.signers]
    over = state.over or news.for_good
    facts += [need for need in _placed(news.needs) if key_of(need) not in state.needs and not (over and need.waiting)]
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


def recipients(audience: Audience, company: Company, today: date, *, leavers: bool = False) -> list[str]:
    """Who is to be told on that day, as far as they are known, each once.

    Args:
        audience: who is to hear of it.
        company: who is who.
        today: the day, in Shanghai.
        leavers: whether it is among the few things that people who are leaving still do (R4.6).

    """
    match audience.kind:
        case "persons":
            found = _at_work(audience.persons, audience, company, leavers=leavers)
        case "owner":
            found = _at_work([company.owner] if company.owner else [], audience, company, leavers=leavers)
        case "payer_owners":
            found = _at_work(company.payer_owners, audience, company, leavers=leavers)
        case "main_contact":
            found = [company.main_contact] if company.main_contact else []
        case "role":
            found = _with_role(audience, company, today)
    return [person for person in dict.fromkeys(found) if person not in audience.barred]


def _at_work(named: Sequence[str], audience: Audience, company: Company, *, leavers: bool) -> list[str]:
    """Those of them who are not leaving; where all are, what names them passes to the manager (R4.6)."""
    staying = [person for person in named if leavers or person not in company.leaving]
    department = audience.department or company.department
    if staying or not named or department is None:
        return staying
    return [holder.person for holder in company.with_role(Role.DEPT_MANAGER, department) if holder.delegation is None]


def _with_role(audience: Audience, company: Company, today: date) -> list[str]:
    for role in (audience.role, audience.stand_in):
        found = company.with_role(role, audience.department) if role else []
        told = [
            holder.person
            for holder in found
            if holder.answers_for(audience.step, today) and not holder.barred_by(audience.barred)
        ]
        if told:
            return told
    return []


def _placed(needs: Iterable[NoticeNeeded]) -> Iterator[NoticeNeeded]:
    """Number those that tell several audiences of one kind the same."""
    counted: Counter[tuple[str, str]] = Counter()
    for need in needs:
        alike = (need.template, need.audience.kind)
        yield need.model_copy(update={"place": counted[alike]})
        counted[alike] += 1


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
        leavers = noted.template in TOLD_TO_LEAVERS
        for person in recipients(noted.audience, company, context.today, leavers=leavers):
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
                    place=noted.place,
                )
