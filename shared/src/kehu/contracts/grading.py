"""Published by grading: official grades, and where the indicative grade has moved away from them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from kehu.contracts.published import PublishedFact


class Grade(StrEnum):
    """How a customer is treated (R5.2)."""

    A = "A"  # 重要
    B = "B"  # 次重要
    C = "C"  # 潜在客户


class GradeAssigned(PublishedFact, clause="R5.2"):
    """A customer's official grade (R5.3.5): initial, by the annual run of `year`, or by two people's override.

    `taken_over` is an initial grade too: the one of `year` that an existing customer came with at go-live (R4.3).
    """

    customer: str
    grade: Grade
    previous: Grade | None = None
    basis: Literal["initial", "annual", "override", "taken_over"]
    grade_clause: str
    provisional: bool
    policy_version: int
    year: int | None = None


class IndicativeGradeChanged(PublishedFact, clause="R5.3.5"):
    """What the rules would give today has changed; the official grade stays until it is assigned anew."""

    customer: str
    grade: Grade
    previous: Grade | None
    official: Grade | None
    grade_clause: str
    policy_version: int


class GradeDriftNoticed(PublishedFact, clause="R5.3.5"):
    """Indicative and official grade differ (`drifting`), or agree again: the customer is on or off the watch list."""

    customer: str
    official: Grade
    indicative: Grade
    drifting: bool
