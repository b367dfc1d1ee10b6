"""Lists a page at a time, by the key of the last row: the thousandth page costs what the first one does.

A cursor is opaque to its reader. It holds the last row's key and a digest of the list's filters, so that it is refused
under another list or filter instead of leaving rows out silently.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from kehu.errors import Invalid

T = TypeVar("T")

MOST = 200  # rows on one page: as many as people scroll through, and never a burden to one connection
USUAL = 50
_LONGEST_CURSOR = 2_000
_BIGINT = range(-(2**63), 2**63)


class InvalidCursor(Invalid):
    """The cursor is not one that this list has given out."""

    code = "invalid-cursor"

    def __init__(self) -> None:
        super().__init__(
            "翻页标记(cursor)无效,或属于另一个列表或另一组筛选条件。请从第一页重新开始。",
            "The cursor is none of this list's, or of other filters. Start again from the first page.",
        )


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = Field(default=None, description="Where the next page is; nothing on the last one.")


class PageRequest:
    """Which page of a list is asked for. A route gets it as `Paging`.

    The rows are ordered by a unique key (the last column settles ties); ask the database for what comes `after` the
    cursor, and for `fetch` rows, one more than the page shows::

        rows = await request.pool.fetch(
            "SELECT * FROM dossiers WHERE $1::text IS NULL OR (name, id) > ($1, $2) ORDER BY name, id LIMIT $3",
            *paging.after(str, UUID), paging.fetch,
        )
        return paging.page([DossierRow(**row) for row in rows], key=lambda row: (row.name, row.id))
    """

    def __init__(self, request: Request, response: Response, limit: int, cursor: str | None) -> None:
        self.limit = limit
        self.fetch = limit + 1
        self._request = request
        self._response = response
        self._cursor = cursor

    def after(self, *types: type[Any]) -> tuple[Any, ...]:
        """The key of the last row seen, column by column; all None on the first page.

        Args:
            types: of the key's columns: `str`, `int`, `UUID`, `date` or `datetime`.

        Raises:
            InvalidCursor: it was given out by another list, for other filters, or by nobody.

        """
        if self._cursor is None:
            return (None,) * len(types)
        try:
            digest, *key = json.loads(base64.urlsafe_b64decode(self._cursor.encode("ascii")))
        except (ValueError, TypeError):
            raise InvalidCursor from None
        if digest != self._digest() or len(key) != len(types):
            raise InvalidCursor
        return tuple(_column(wanted, value) for wanted, value in zip(types, key, strict=True))

    def page(self, rows: Sequence[T], key: Callable[[T], tuple[Any, ...]]) -> Page[T]:
        """The page, with the address of the next one where there is more (also as a `Link` header).

        Args:
            rows: at most `fetch` of them, in order.
            key: of a row: the columns given to `after`.

        """
        items = list(rows[: self.limit])
        if len(rows) <= self.limit:
            return Page[T](items=items)
        values = [_text(value) for value in key(items[-1])]
        cursor = base64.urlsafe_b64encode(json.dumps([self._digest(), *values], ensure_ascii=False).encode()).decode()
        query = urlencode([*self._filters(), ("limit", self.limit), ("cursor", cursor)])
        following = f"{self._request.url.path}?{query}"
        self._response.headers["Link"] = f'<{following}>; rel="next"'
        return Page[T](items=items, next=following)

    def _filters(self) -> list[tuple[str, str]]:
        return [item for item in self._request.query_params.multi_items() if item[0] not in ("limit", "cursor")]

    def _digest(self) -> str:
        list_and_filters = json.dumps([self._request.url.path, sorted(self._filters())])
        return hashlib.sha256(list_and_filters.encode()).hexdigest()[:12]


def _text(value: Any) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _column(wanted: type[Any], value: Any) -> Any:
    """A key's column as the driver wants it; a forged cursor must not reach the database as another type."""
    try:
        found = TypeAdapter[Any](wanted).validate_python(value, strict=wanted in (str, int))
    except ValidationError:
        raise InvalidCursor from None
    if (isinstance(found, int) and found not in _BIGINT) or (isinstance(found, str) and "\0" in found):
        raise InvalidCursor
    if isinstance(found, datetime) and found.tzinfo is None:
        raise InvalidCursor
    return found


def _paging(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows on a page.")] = USUAL,
    cursor: Annotated[
        str | None, Query(max_length=_LONGEST_CURSOR, description="From the `next` of the page before.")
    ] = None,
) -> PageRequest:
    return PageRequest(request, response, limit, cursor)


Paging = Annotated[PageRequest, Depends(_paging)]

__all__ = ["MOST", "USUAL", "InvalidCursor", "Page", "PageRequest", "Paging"]
