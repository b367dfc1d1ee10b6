"""Days, months and quarters in Shanghai, as the policy counts them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from kehu.calendar import SHANGHAI, Month, Quarter, end_of_day, month_closes_at, start_of_day, today

DAYS = st.dates(date(1950, 1, 1), date(2150, 1, 1))
MONTHS = st.builds(Month, st.integers(1950, 2150), st.integers(1, 12))
QUARTERS = st.builds(Quarter, st.integers(1950, 2150), st.integers(1, 4))
STEPS = st.integers(-190, 190)


class Report(BaseModel):
    month: Month
    quarter: Quarter | None = None
    volumes: dict[Month, int] = {}


def test_the_day_changes_at_midnight_in_shanghai() -> None:
    assert today(datetime(2026, 11, 5, 15, 59, 59, tzinfo=UTC)) == date(2026, 11, 5)
    assert today(datetime(2026, 11, 5, 16, 0, 0, tzinfo=UTC)) == date(2026, 11, 6)


def test_a_time_without_zone_has_no_day() -> None:
    with pytest.raises(ValueError, match="needs its zone"):
        today(datetime(2026, 11, 5))  # noqa: DTZ001 - the refusal of such a time is the test


@given(DAYS)
def test_every_moment_belongs_to_one_day(day: date) -> None:
    assert today(start_of_day(day)) == day
    assert today(end_of_day(day) - timedelta(microseconds=1)) == day
    assert end_of_day(day) == start_of_day(day + timedelta(days=1))


@given(st.datetimes(datetime(1992, 1, 1), datetime(2150, 1, 1)))  # noqa: DTZ001 - hypothesis takes naive bounds
def test_the_fixed_offset_is_what_the_time_zone_database_says(moment: datetime) -> None:
    assert moment.replace(tzinfo=SHANGHAI) == moment.replace(tzinfo=ZoneInfo("Asia/Shanghai"))


def test_a_month_closes_at_24_00_on_the_5th_of_the_next() -> None:
    assert month_closes_at(Month(2026, 11)) == datetime(2026, 12, 5, 16, tzinfo=UTC)
    assert month_closes_at(Month(2026, 12)).isoformat() == "2027-01-06T00:00:00+08:00"
    assert month_closes_at(Month(2026, 11), closing_day=3) == start_of_day(date(2026, 12, 4))


@given(DAYS)
def test_a_month_and_a_quarter_hold_exactly_their_days(day: date) -> None:
    for period in (Month.of(day), Quarter.of(day)):
        assert day in period
        assert period.first_day - timedelta(days=1) not in period
        assert period.last_day + timedelta(days=1) not in period
        assert period.start <= start_of_day(day) < period.end == (period + 1).start
    assert Month.of(day).quarter == Quarter.of(day)
    assert Month.of(day) in Quarter.of(day).months


@given(MONTHS, STEPS, MONTHS)
def test_months_count_and_sort(month: Month, steps: int, other: Month) -> None:
    assert month + steps - steps == month
    assert (month + steps).months_since(month) == steps
    assert (month < other) == (month.first_day < other.first_day) == (str(month) < str(other))


@given(QUARTERS, STEPS)
def test_quarters_count(quarter: Quarter, steps: int) -> None:
    assert quarter + steps - steps == quarter
    assert (quarter - 4) == Quarter(quarter.year - 1, quarter.quarter)
    assert quarter.months[0] + 3 == (quarter + 1).months[0]


def test_examples_of_the_turn_of_the_year() -> None:
    assert Month(2026, 11) + 2 == Month(2027, 1)
    assert Month(2028, 2).last_day == date(2028, 2, 29)
    assert Quarter(2026, 4).last_day == date(2026, 12, 31)
    assert Quarter(2026, 1) - 1 == Quarter(2025, 4)


@given(MONTHS, QUARTERS)
def test_json_and_back(month: Month, quarter: Quarter) -> None:
    report = Report(month=month, quarter=quarter, volumes={month: 1})

    assert Report.model_validate_json(report.model_dump_json()) == report
    assert report.model_dump(mode="json")["month"] == str(month)
    assert Report.model_validate(report.model_dump()) == report


@pytest.mark.parametrize(
    "bad", ["2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "９９９９-01", "0000-01", "", 202611, None]
)
def test_no_month(bad: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Month).validate_python(bad)
    assert refused.value.errors()[0]["type"] == "month_format"
    assert "2026-11" in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("bad", ["2026-Q5", "2026-Q0", "2026Q1", "Q1", 4])
def test_no_quarter(bad: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Quarter).validate_python(bad)
    assert refused.value.errors()[0]["type"] == "quarter_format"


def test_there_is_no_thirteenth_month_in_code_either() -> None:
    with pytest.raises(ValueError, match="no month 13"):
        Month(2026, 13)
    with pytest.raises(ValueError, match="no quarter 0"):
        Quarter(2026, 0)


def test_the_api_tells_how_to_write_them() -> None:
    schema = Report.model_json_schema()
    assert schema["properties"]["month"]["pattern"] == r"^\d{4}-(0[1-9]|1[0-2])$"
