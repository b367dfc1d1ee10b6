"""What commands answer: the id and version of the thing, its ETag, and its place in the log."""

from __future__ import annotations

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from kehu.commands import Done
from kehu.facts import START

POSITION_HEADER = "Kehu-Position"


class Answer(BaseModel):
    """What a command came to. Further fields are the numbers that the route gives out."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="Of the thing that was changed.")
    version: int = Field(description="Its version now; the ETag to send as If-Match with the next change.")


def tag(response: Response, version: int) -> None:
    """Say at which version a thing was read or left (`ETag`)."""
    response.headers["ETag"] = f'"{version}"'


def answer(response: Response, done: Done) -> Answer:
    """Say what a command came to; the same for a repetition of it, except that its place in the log is not known."""
    tag(response, done.version)
    if done.repeated:
        response.headers["Idempotent-Replayed"] = "true"
    elif done.position != START:
        response.headers[POSITION_HEADER] = f"{done.position.tx}/{done.position.position}"
    return Answer.model_validate({**done.answer, "id": done.stream.partition("-")[2], "version": done.version})
