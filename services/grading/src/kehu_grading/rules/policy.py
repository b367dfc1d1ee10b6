"""The numbers of R5.2 and R5.3.5 as policy data: versioned, changed by two people of 市场部 without a release."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from kehu.money import Fen
from kehu.policies import PolicyKind

#: Contract volume a month. Above zero: a threshold of nothing would make every agent class A.
Threshold = Annotated[Fen, Field(gt=0)]


class GradingPolicy(BaseModel):
    """What makes a customer A, B or C. Thresholds are fen a month and include the number (以上)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a_threshold_fen: Threshold = Field(default=500_000_000, description="Class A agents: fen a month (R5.2.A).")
    b_threshold_fen: Threshold = Field(default=300_000_000, description="Class B agents: fen a month (R5.2.B).")
    window_months: int = Field(default=12, ge=1, le=60, description="The mean is taken over so many closed months.")
    provisional_under_months: int = Field(
        default=3, ge=0, le=60, description="Under so many full months an agent's grade is provisional."
    )
    bad_credit_months: int = Field(
        default=24, ge=0, le=600, description="Bad credit counts for so many months after it was resolved."
    )
    #: 28 at most: every month has such a day.
    month_closing_day: int = Field(
        default=5, ge=1, le=28, description="A month closes at 24:00 of this day of the next month (R5.3.5)."
    )

    @model_validator(mode="after")
    def _better_grades_ask_for_more(self) -> Self:
        if self.b_threshold_fen > self.a_threshold_fen:
            raise PydanticCustomError(
                "thresholds_crossed",
                "B 类的门槛不能高于 A 类，请修改其一。The threshold of B must not be above that of A: change one.",
            )
        return self


GRADING = PolicyKind(name="grading", model=GradingPolicy, initial=GradingPolicy(), clause="R5.2")
