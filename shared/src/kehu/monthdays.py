"""Days of a person's year without the year: birthdays and anniversaries, by the solar or the lunar calendar.

They travel as one personal string, such as ``solar:02-29``, ``lunar:12-30`` or ``lunar:04-15:leap``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic_core import PydanticCustomError

#: A leap year, in which every solar day there can be exists.
_LEAP_YEAR = 2000
_MONTHS = 12
_LONGEST_LUNAR_MONTH = 30
_WRITTEN = re.compile(r"(solar|lunar):(\d\d)-(\d\d)(:leap)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class MonthDay:
    """A month and a day of a calendar; `leap` says that the lunar month was a leap month (闰月)."""

    calendar: Literal["solar", "lunar"]
    month: int
    day: int
    leap: bool = False

    def __post_init__(self) -> None:
        if not (self._solar() if self.calendar == "solar" else self._lunar()):
            raise PydanticCustomError(
                "month_day",
                "没有这一天：请填写存在的月和日（公历或农历）。"
                "There is no such day: give a month and a day that exist, solar or lunar.",
            )

    @classmethod
    def parse(cls, text: str) -> MonthDay:
        """Read the form in which it travels.

        Raises:
            PydanticCustomError: `month_day`: it is none, or there is no such day.

        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            return cls("solar", 0, 0)  # which there is not
        calendar: Literal["solar", "lunar"] = "lunar" if found[1] == "lunar" else "solar"
        return cls(calendar, int(found[2]), int(found[3]), leap=bool(found[4]))

    def __str__(self) -> str:
        """The form in which it travels."""
        return f"{self.calendar}:{self.month:02}-{self.day:02}{':leap' if self.leap else ''}"

    def _solar(self) -> bool:
        try:
            date(_LEAP_YEAR, self.month, self.day)
        except ValueError:
            return False
        return not self.leap

    def _lunar(self) -> bool:
        return 1 <= self.month <= _MONTHS and 1 <= self.day <= _LONGEST_LUNAR_MONTH
