"""Text that no database can hold is refused at the door: NUL and halves of surrogate pairs, wherever they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from fastapi import Request

from kehu.errors import Invalid
from kehu.http.problems import FieldProblem, language_of

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
#: A JSON body has them as escapes only; bodies without any escape need no second look.
_ESCAPE = b"\\u"


class UnstorableText(Invalid):
    """A text contains NUL or half a surrogate pair."""

    code = "unstorable-text"


async def storable_text(request: Request) -> None:
    """Refuse NUL and unpaired surrogates in path, query, JSON and form fields of a request.

    Raises:
        UnstorableText: naming every field that has them.

    """
    found = [f"path.{name}" for name, value in request.path_params.items() if _bad(value)]
    found += [f"query.{name}" for name, value in request.query_params.multi_items() if _bad(value) or _bad(name)]
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.endswith("json"):
        body = await request.body()
        if _ESCAPE in body:
            found += _in_json(body)
    elif kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        found += [f"body.{name}" for name, value in (await request.form()).multi_items() if _bad(value) or _bad(name)]
    if found:
        english = language_of(request) == "en"
        detail = "contains a character that cannot be stored" if english else "含有无法保存的字符(如 NUL)"
        raise UnstorableText(
            "文字中含有无法保存的字符(NUL 或不成对的代理字符)。请删去后再提交。",
            "A text contains characters that cannot be stored (NUL or an unpaired surrogate). Remove them.",
            errors=[
                FieldProblem(field=_UNSTORABLE.sub("", field), code="unstorable_text", detail=detail) for field in found
            ],
        )


def _bad(value: Any) -> bool:
    return isinstance(value, str) and _UNSTORABLE.search(value) is not None


def _in_json(body: bytes) -> Iterable[str]:
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        return  # not JSON at all: the route says so
    # A list of work, not recursion: nesting as deep as the parser takes must not exhaust the stack here.
    waiting: list[tuple[str, Any]] = [("body", loaded)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{name}", below) for name, below in value.items()]
            if any(_bad(name) for name in value):
                yield path
        elif isinstance(value, list):
            waiting += [(f"{path}.{index}", below) for index, below in enumerate(value)]
        elif _bad(value):
            yield path
