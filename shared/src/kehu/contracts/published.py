"""What all published facts have in common."""

from __future__ import annotations

from typing import ClassVar

from kehu.facts import Fact


class PublishedFact(Fact):
    """A fact that leaves its service. Changes only by adding optional fields; `tests/contract` holds its schema."""

    published: ClassVar[bool] = True
