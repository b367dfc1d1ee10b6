"""The policy's calendar: days, months and quarters in Asia/Shanghai. A day ends at 24:00, which is the next day's 0:00.

Nothing here reads a clock: the time is passed in. Ends are exclusive, so "until 24:00" is ``now < end_of_day(day)``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

# The one offset of Asia/Shanghai since 1991. Fixed, because a fresh machine may come without a time zone database.
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
_DAY = timedelta(days=1)
_MONTHS = 12
_QUARTERS = 4
_MONTHS_PER_QUARTER = 3
# Any time of a customer's dealings: outside it is a slip of the keyboard, and dates would overflow at their ends.
_YEARS = range(1900, 2200)
_PERIODS_KEPT = 1_000  # read again without parsing: the months of some eighty years

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_QUARTER = re.compile(r"(\d{4})-Q(\d)", re.ASCII)


def today(now: datetime) -> date:
    """Return the day in Shanghai at `now`.

    Raises:
        ValueError: `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"A time needs its zone to tell the day in Shanghai; {now.isoformat()} has none.")
    return now.astimezone(SHANGHAI).date()


def start_of_day(day: date) -> datetime:
    """Return 0:00 of `day` in Shanghai."""
    return datetime.combine(day, time.min, SHANGHAI)


def end_of_day(day: date) -> datetime:
    """Return 24:00 of `day` in Shanghai: the first moment that no longer belongs to it."""
    return start_of_day(day + _DAY)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month. ``str`` and JSON write it ``2026-11``; adding and subtracting counts months.

    Raises:
        ValueError: there is no such month (years 1900 to 2199).
    """

    year: int
    month: int

    def __post_init__(self) -> None:
        if self.year not in _YEARS or not 1 <= self.month <= _MONTHS:
            raise ValueError(f"There is no month {self.month} of the year {self.year} (1900 to 2199).")

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the month of `day`; for a moment, ask for ``Month.of(today(now))``."""
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the month written ``2026-11``.

        Raises:
            ValueError: it is written otherwise, or there is no such month.
        """
        match = _MONTH.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no month.")
        return cls(int(match.group(1)), int(match.group(2)))

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        return date(self.year + self.month // _MONTHS, self.month % _MONTHS + 1, 1) - _DAY

    @property
    def start(self) -> datetime:
        """0:00 of its first day."""
        return start_of_day(self.first_day)

    @property
    def end(self) -> datetime:
        """24:00 of its last day; exclusive."""
        return end_of_day(self.last_day)

    @property
    def quarter(self) -> "Quarter":
        """The quarter that it belongs to."""
        return Quarter.of(self.first_day)

    def months_since(self, earlier: "Month") -> int:
        """Return how many months after `earlier` it is; negative when it is before."""
        return (self.year - earlier.year) * _MONTHS + self.month - earlier.month

    def __contains__(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def __add__(self, months: int) -> "Month":
        year, month = divmod(self.year * _MONTHS + self.month - 1 + months, _MONTHS)
        return Month(year, month + 1)

    def __sub__(self, months: int) -> "Month":
        return self + -months

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler  # it has no parameters and wraps no other type
        return _schema(cls, cls.parse, _no_month)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler  # on the wire it is a string, whatever the validator looks like
        return {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])$", "examples": ["2026-11"]}


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A calendar quarter. ``str`` and JSON write it ``2026-Q4``; adding and subtracting counts quarters.

    Raises:
        ValueError: there is no such quarter (years 1900 to 2199).
    """

    year: int
    quarter: int

    def __post_init__(self) -> None:
        if self.year not in _YEARS or not 1 <= self.quarter <= _QUARTERS:
            raise ValueError(f"There is no quarter {self.quarter} of the year {self.year} (1900 to 2199).")

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the quarter of `day`."""
        return cls(day.year, (day.month - 1) // _MONTHS_PER_QUARTER + 1)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the quarter written ``2026-Q4``.

        Raises:
            ValueError: it is written otherwise, or there is no such quarter.
        """
        match = _QUARTER.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no quarter.")
        return cls(int(match.group(1)), int(match.group(2)))

    @property
    def months(self) -> tuple[Month, Month, Month]:
        """Its three months, in order."""
        first = Month(self.year, (self.quarter - 1) * _MONTHS_PER_QUARTER + 1)
        return first, first + 1, first + 2

    @property
    def first_day(self) -> date:
        """Its first day."""
        return self.months[0].first_day

    @property
    def last_day(self) -> date:
        """Its last day."""
        return self.months[-1].last_day

    @property
    def start(self) -> datetime:
        """0:00 of its first day."""
        return start_of_day(self.first_day)

    @property
    def end(self) -> datetime:
        """24:00 of its last day; exclusive."""
        return end_of_day(self.last_day)

    def __contains__(self, day: date) -> bool:
        return self.first_day <= day <= self.last_day

    def __add__(self, quarters: int) -> "Quarter":
        year, quarter = divmod(self.year * _QUARTERS + self.quarter - 1 + quarters, _QUARTERS)
        return Quarter(year, quarter + 1)

    def __sub__(self, quarters: int) -> "Quarter":
        return self + -quarters

    def __str__(self) -> str:
        return f"{self.year:04}-Q{self.quarter}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler  # it has no parameters and wraps no other type
        return _schema(cls, cls.parse, _no_quarter)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler  # on the wire it is a string, whatever the validator looks like
        return {"type": "string", "pattern": r"^\d{4}-Q[1-4]$", "examples": ["2026-Q4"]}


def month_closes_at(month: Month, *, closing_day: int = 5) -> datetime:
    """Return the moment from which a report for `month` is late (R5.3.5): 24:00 of a day of the month after.

    Args:
        month: the month reported on.
        closing_day: policy data; the 5th in the policy's first version.
    """
    return end_of_day((month + 1).first_day.replace(day=closing_day))


def _schema(period: type, parse: Callable[[str], Any], refusal: Callable[[], PydanticCustomError]) -> CoreSchema:
    # A log is full of the same few periods, and they are immutable: each is made once.
    parse = lru_cache(_PERIODS_KEPT)(parse)

    def validated(value: Any) -> Any:
        if isinstance(value, period):
            return value
        try:
            return parse(value)
        except (TypeError, ValueError):
            raise refusal() from None

    return core_schema.no_info_plain_validator_function(
        validated, serialization=core_schema.to_string_ser_schema(when_used="json")
    )


def _no_month() -> PydanticCustomError:
    return PydanticCustomError("month_format", "月份应写作 2026-11（年-月）。Write the month like 2026-11.")


def _no_quarter() -> PydanticCustomError:
    return PydanticCustomError("quarter_format", "季度应写作 2026-Q4。Write the quarter like 2026-Q4.")
