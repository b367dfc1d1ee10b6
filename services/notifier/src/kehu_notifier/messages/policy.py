"""When and how often messages are sent, as policy data."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kehu.calendar import SHANGHAI
from kehu.deciding import Context
from kehu.policies import PolicyKind

_A_DAY = timedelta(days=1)
_Minutes = Annotated[int, Field(ge=1, le=24 * 60)]


class Sending(BaseModel):
    """How messages are sent. Times of day are Asia/Shanghai.

    Args:
        quiet_from: from then on only what is urgent is sent; the rest is held.
        quiet_until: until then; the same as `quiet_from` for no quiet hours.
        attempts: so many times is a message tried that its channel does not take at the moment.
        retry_minutes: after the first such attempt; twice as long after each further one.
        look_after_minutes: how long after sending a provider is asked what has become of a message, then after how long
            again; the last answer counts.
        variable_length: characters of a value in an SMS.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quiet_from: time = time(22)
    quiet_until: time = time(7)
    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    retry_minutes: _Minutes = 2
    look_after_minutes: Annotated[tuple[_Minutes, ...], Field(min_length=1, max_length=20)] = (1, 5, 30, 120)
    variable_length: Annotated[int, Field(ge=2, le=35)] = 35

    @model_validator(mode="after")
    def _times_of_day_only(self) -> Self:
        if self.quiet_from.tzinfo is not None or self.quiet_until.tzinfo is not None:
            raise PydanticCustomError(
                "time_zone", "时刻按北京时间填写，不带时区。Times of day are Beijing's: leave the time zone out."
            )
        return self

    def quiet_ends(self, now: datetime) -> datetime | None:
        """When the quiet hours that `now` (aware) lies in are over; None outside them."""
        local = now.astimezone(SHANGHAI)
        at = local.time()
        overnight = self.quiet_from > self.quiet_until
        quiet = (
            at >= self.quiet_from or at < self.quiet_until if overnight else self.quiet_from <= at < self.quiet_until
        )
        if not quiet:
            return None
        end = datetime.combine(local.date(), self.quiet_until, SHANGHAI)
        return end if end > local else end + _A_DAY

    def retry_after(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts, one at least."""
        return timedelta(minutes=self.retry_minutes * 2 ** (attempts - 1))

    def look_after(self, looks: int) -> timedelta | None:
        """How long to wait before asking again, having asked so many times; None when that was the last time."""
        return timedelta(minutes=self.look_after_minutes[looks]) if looks < len(self.look_after_minutes) else None


SENDING = PolicyKind(name="sending", model=Sending, initial=Sending(), clause="Notifications")


def sending_in_force(context: Context) -> Sending:
    """The version that a decision is made under."""
    found: Sending = context.policies[SENDING.name]
    return found
