"""Scripts: a list of requests by people, played against a running system, such as the sample company's first weeks.

A script is a JSON list of steps (`Step`). Names in braces are replaced: what an earlier step kept, ``{today}``,
``{today+3}`` (days), ``{month-1}`` (the month before this one), ``{quarter}``, ``{yy}`` (the year's last two digits).
Every request carries an idempotency key made from the script and the step, so a script that broke off is simply played
again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, TypeAdapter

from kehu.calendar import Month, Quarter, today
from kehu.remote import System

#: What one service says reaches the others within milliseconds; a machine that has just started may need seconds.
PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.1
_NAME = re.compile(r"\{([a-z_0-9]+)([+-]\d+)?\}")


class ScriptFailed(Exception):
    """A step was not answered as the script expects; says which, and what the answer was."""


class Step(BaseModel):
    """One request.

    Attributes:
        note: what happens, for whoever watches.
        by: the person who sends it.
        service: which service.
        method, path, body: the request; names in braces are replaced.
        file: a file beside the script, handed in as a form's field ``file`` in place of a body.
        edits: path of what is edited: it is read first, and its ETag sent as `If-Match`.
        keep: names for members of the answer, such as ``{"anhui": "id"}`` or ``{"digest": "bundle.digest"}``.
        until: members that the answer must have; it is asked for again until it has them.
        dates_from: a member of the answer, a point in time: its day is ``{today}`` from here on. So a script that is
            played again on another day says what it said before.
        patient: repeated while it is refused, because another service has not heard of what it is about.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    note: str = ""
    by: str
    service: str
    method: Literal["GET", "POST", "PATCH", "PUT"] = "POST"
    path: str
    body: Any = None
    file: str | None = None
    edits: str | None = None
    keep: dict[str, str] = {}
    until: dict[str, Any] | None = None
    dates_from: str | None = None
    patient: bool = False


_SCRIPT = TypeAdapter(list[Step])


def read_script(path: Path) -> list[Step]:
    """Read a script.

    Raises:
        pydantic.ValidationError: it is not one.

    """
    return _SCRIPT.validate_json(path.read_text(encoding="utf-8"))


@dataclass
class Player:
    """Plays scripts; what steps keep is known to later scripts too.

    Args:
        system: where.
        today: the policy's date.
        told: called with each step's note.
        directory: where the scripts' files are.

    """

    system: System
    today: date
    told: Callable[[str], None]
    directory: Path = Path()
    kept: dict[str, str] = field(default_factory=dict[str, str])

    async def play(self, name: str, steps: list[Step]) -> None:
        """Play the steps in order; `name` stands in their idempotency keys.

        Raises:
            ScriptFailed: a step was refused, or its answer never became what it should.

        """
        for number, step in enumerate(steps, 1):
            if step.note:
                self.told(step.note)
            answer = await self._until_answered(f"{name}-{number}", step)
            for kept, member in step.keep.items():
                self.kept[kept] = str(_member(answer, member))
            if step.dates_from:
                self.today = today(datetime.fromisoformat(_member(answer, step.dates_from)))

    async def _until_answered(self, key: str, step: Step) -> dict[str, Any]:
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            status, answer = await self._send(key, step)
            succeeded = status < 400  # noqa: PLR2004 - HTTP's border between done and refused
            if succeeded and (step.until is None or contains(answer, self._filled(step.until))):
                return answer
            waits = step.patient or (succeeded and step.until is not None)
            if not waits or asyncio.get_running_loop().time() > deadline:
                raise ScriptFailed(f"{key} ({step.note or step.path}): {status} {answer}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _send(self, key: str, step: Step) -> tuple[int, dict[str, Any]]:
        headers: dict[str, str] = {}
        if step.method != "GET":
            headers["Idempotency-Key"] = key
        if step.edits:
            try:
                headers["If-Match"] = await self.system.etag(step.by, step.service, self._filled(step.edits))
            except httpx2.HTTPStatusError as error:
                if error.response.status_code not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                    raise
                # Played again, this person may not see it any more: then its idempotency key answers.
                headers["If-Match"] = '"0"'
        options: dict[str, Any] = {}
        if step.file:
            path = self.directory / step.file
            options["files"] = {"file": (path.name, await asyncio.to_thread(path.read_bytes))}
        answer = await self.system.send(
            step.by,
            step.service,
            step.method,
            self._filled(step.path),
            body=self._filled(step.body),
            headers=headers,
            **options,
        )
        loaded: Any = answer.json() if answer.content else {}
        return answer.status_code, loaded if isinstance(loaded, dict) else {"items": loaded}

    def _filled(self, template: Any) -> Any:
        """The same with names in braces replaced, however deep they stand."""
        if isinstance(template, str):
            return _NAME.sub(self._value, template)
        if isinstance(template, list):
            return [self._filled(entry) for entry in template]
        if isinstance(template, dict):
            return {name: self._filled(value) for name, value in template.items()}
        return template

    def _value(self, found: re.Match[str]) -> str:
        name, offset = found[1], int(found[2] or 0)
        match name:
            case "today":
                return (self.today + timedelta(days=offset)).isoformat()
            case "month":
                return str(Month.of(self.today) + offset)
            case "quarter" if not found[2]:
                return str(Quarter.of(self.today))
            case "yy" if not found[2]:
                return f"{self.today:%y}"
            case _ if name in self.kept and not found[2]:
                return self.kept[name]
            case _:
                raise ScriptFailed(f"Nothing was kept as {found[0]}.")


def _member(answer: Any, path: str) -> Any:
    for name in path.split("."):
        try:
            answer = answer[int(name)] if isinstance(answer, list) else answer[name]
        except (LookupError, TypeError, ValueError):
            raise ScriptFailed(f"The answer has no {path}: {answer}") from None
    return answer


def contains(answer: Any, wanted: Any) -> bool:
    """Whether an answer has everything that is wanted; of a list, each wanted entry somewhere in it."""
    if isinstance(wanted, dict):
        return isinstance(answer, dict) and all(
            name in answer and contains(answer[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(answer, list) and all(any(contains(entry, one) for entry in answer) for one in wanted)
    return bool(answer == wanted)
