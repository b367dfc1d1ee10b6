"""What the bodies of this service's requests have in common."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kehu.text import Paragraph

#: Running text that may not be empty.
Text = Annotated[Paragraph, Field(min_length=1)]
#: An id of this system.
Code = Annotated[str, StringConstraints(pattern=r"^[\w.:-]{1,100}$")]
Sha256 = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True), Field(description="SHA-256, hexadecimal.")
]
#: Outside it dates overflow at their ends.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]


class Body(BaseModel):
    """Something that is sent; a field that is not known is a slip of the keyboard."""

    model_config = ConfigDict(frozen=True, extra="forbid")
