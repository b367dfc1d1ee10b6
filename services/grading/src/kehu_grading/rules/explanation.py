"""A grade with its reasons: each limb of R5.2 passed or failed with the figures, and the facts they came from.

It is stored with the grade, so that what was decided can be read later without the code that decided it.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from kehu.calendar import Month
from kehu.contracts.customers import Affiliation, CustomerKind
from kehu.contracts.grading import Grade


class LimbName(StrEnum):
    """The limbs of R5.2, in the order in which they are tried; and the grade that was stated when it was taken over."""

    AFFILIATION = "affiliation"  # A: 合资公司、全资子公司
    AGENT_A = "agent_a"  # A: agent, volume, no bad credit
    DEALER = "dealer"  # B: 经销商
    AGENT_B = "agent_b"  # B: agent, volume, no bad credit
    PROSPECT = "prospect"  # C: 重点终端用户、其他潜在客户
    NOTHING_ELSE = "nothing_else"  # C: whoever matches no other limb
    TAKEN_OVER = "taken_over"  # R4.3: as it stood at go-live


class Reason(StrEnum):
    """Why a limb fails."""

    NOT_AFFILIATED = "not_affiliated"
    NOT_AN_AGENT = "not_an_agent"
    NOT_A_DEALER = "not_a_dealer"
    NOT_A_PROSPECT = "not_a_prospect"
    NOT_ACTIVATED = "not_activated"
    NO_FULL_MONTH = "no_full_month"
    VOLUME_SHORT = "volume_short"
    BAD_CREDIT = "bad_credit"
    MATCHES_ANOTHER = "matches_another"


class WatchReason(StrEnum):
    """Why somebody should look at a customer (R5.2.C, R5.3.5)."""

    DRIFTING = "drifting"  # indicative and official grade differ
    MATCHES_NOTHING = "matches_nothing"  # class C only because no other limb passed
    MISSING_MONTHS = "missing_months"  # months count 0 because nobody has reported them
    CREDIT_WARNING = "credit_warning"  # bad credit, of a customer whose grade it does not bar


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Figures(_Part):
    """Contract volume against a threshold, in fen: `sum_fen` is compared with `threshold_fen` x `months`."""

    threshold_fen: int
    months: int
    required_fen: int
    sum_fen: int

    @property
    def short_fen(self) -> int:
        """What is missing in total; 0 when the threshold is reached."""
        return max(0, self.required_fen - self.sum_fen)


class Limb(_Part):
    """One limb of a clause: passed, or failed for each of `reasons`."""

    limb: LimbName
    grade: Grade
    clause: str
    passed: bool
    reasons: tuple[Reason, ...] = ()
    figures: Figures | None = None


class CountedMonth(_Part):
    """A closed full month since activation; `amount_fen` and `fact` are None where no report has come (it counts 0).

    `merged` are the merges (R4) by which what other dossiers had contracted is part of the amount, beside `fact`.
    """

    month: Month
    amount_fen: int | None = None
    fact: UUID | None = None
    merged: tuple[UUID, ...] = ()


class CountedIncident(_Part):
    """A credit incident that has occurred: whether it `counts` now, and from which day on it does not."""

    incident: str
    occurred_on: date
    resolved_on: date | None
    ends_on: date | None
    counts: bool


class TakenOver(_Part):
    """The grade that an existing customer came with at go-live (R4.3): of which year, on which evidence, by whom."""

    year: int
    evidence_digest: str
    proposed_by: str
    confirmed_by: str


class Missing(_Part):
    """What the customer lacks for the next better grade, on its nearest limb.

    `short_fen` is the volume that is missing in total over the months counted; None where volume is not what is
    missing. `credit_until` is the day on which bad credit ends to count, None while an incident is open.
    """

    grade: Grade
    limb: LimbName
    reasons: tuple[Reason, ...]
    short_fen: int | None = None
    credit_until: date | None = None


class Explanation(_Part):
    """A grade and why.

    Args:
        grade: by the first limb that passed, `limb` of `clause`.
        policy_version: of the numbers used.
        at: when; months close and incidents end by it.
        provisional: decided on fewer full months than the policy wants (3).
        kind, affiliation: as they were.
        limbs: all of them, in their order.
        months: those that counted, oldest first; agents only.
        incidents: not withdrawn, oldest first.
        credit_warning: bad credit counts, but bars nothing on the limb that passed.
        missing: for the next better grade; None for A.
        facts: ids of all facts used.
        taken_over: where the grade is not the rules' but was stated when the customer was taken over; the rest then
            says what the rules would have given.

    """

    grade: Grade
    clause: str
    limb: LimbName
    policy_version: int
    at: AwareDatetime
    provisional: bool
    kind: CustomerKind
    affiliation: Affiliation | None
    limbs: tuple[Limb, ...]
    months: tuple[CountedMonth, ...]
    incidents: tuple[CountedIncident, ...]
    credit_warning: bool
    missing: Missing | None
    facts: tuple[UUID, ...]
    taken_over: TakenOver | None = None

    @property
    def missing_months(self) -> tuple[Month, ...]:
        """Months that count 0 because nobody has reported them."""
        return tuple(counted.month for counted in self.months if counted.amount_fen is None)

    @property
    def watch_reasons(self) -> tuple[WatchReason, ...]:
        """Why the grade's own reasons put the customer on the watch list; drift, which takes two grades, aside."""
        reasons = {
            WatchReason.MATCHES_NOTHING: self.limb is LimbName.NOTHING_ELSE,
            WatchReason.MISSING_MONTHS: bool(self.missing_months),
            WatchReason.CREDIT_WARNING: self.credit_warning,
        }
        return tuple(reason for reason, holds in reasons.items() if holds)

    def same_as(self, other: Explanation | None) -> bool:
        """Whether nothing but the time of asking differs."""
        return other is not None and self.model_copy(update={"at": other.at}) == other
