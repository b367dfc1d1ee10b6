"""Every refusal as an RFC 9457 problem: a stable code, the clause, what is wrong, what to do next, in two languages.

What a person sent is never repeated in a problem: it may be personal, and problems end up in logs and tickets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from kehu.errors import KehuError
from kehu.http.languages import Language, preferred_language

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    field: str = Field(description="Where it is: `body.contacts.0.phone`, `query.limit`, `path.dossier`.")
    code: str
    detail: str


class Problem(BaseModel):
    """What a refused request is answered with (RFC 9457, `application/problem+json`)."""

    type: str = Field(description="`urn:kehu:problem:<code>`")
    title: str
    status: int
    detail: str = Field(description="What is wrong, in the language asked for by Accept-Language.")
    code: str = Field(description="Stable: programs decide by it.")
    clause: str | None = Field(default=None, description="The policy's clause that says so.")
    next: str | None = Field(default=None, description="What to do about it.")
    correlation: UUID | None = Field(default=None, description="Name it when asking for help.")
    errors: list[FieldProblem] | None = Field(default=None, description="What is wrong, field by field.")
    evidence: dict[str, Any] | None = Field(default=None, description="Versions, ids, numbers.")


@dataclass(frozen=True, slots=True)
class _Text:
    zh: str
    en: str

    def in_(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


_TITLES = {
    400: _Text("请求无法读取", "The request cannot be read"),
    401: _Text("身份未确认", "Not authenticated"),
    403: _Text("无权办理", "Not allowed"),
    404: _Text("没有找到", "Not found"),
    405: _Text("不支持的操作", "Method not allowed"),
    409: _Text("现在不能办理", "Refused as things stand"),
    410: _Text("已删除", "Erased"),
    413: _Text("内容过大", "Too large"),
    415: _Text("格式不支持", "Unsupported media type"),
    422: _Text("内容有误", "The request is wrong"),
    428: _Text("缺少版本", "The version is missing"),
    500: _Text("系统出错", "Something went wrong here"),
    503: _Text("暂时不可用", "Not available at the moment"),
}

#: What to do next, by code; codes of the policy's own refusals say it in their sentence.
_NEXT = {
    "unauthenticated": _Text("请重新登录取得令牌后再试。", "Get a new token, then try again."),
    "if-match-required": _Text(
        "请先读取,再把响应的 ETag 放入 If-Match 提交。", "Read it first, then send the answer's ETag as If-Match."
    ),
    "version-conflict": _Text(
        "请重新读取最新内容,核对后用新的 ETag 再提交。",
        "Read it again, check what changed, then repeat with the new ETag.",
    ),
    "invalid-request": _Text("请按 errors 逐项改正后再提交。", "Mend what errors[] names, then send it again."),
    "too-large": _Text("请减小内容,或分几次提交。", "Make it smaller, or send it in several requests."),
    "database-away": _Text(
        "请稍候用同一个 Idempotency-Key 再提交：已办成的不会重复办理。",
        "Send it again in a moment with the same Idempotency-Key: what was done already is not done twice.",
    ),
    "storage-full": _Text(
        "请告知管理员腾出空间，之后用同一个 Idempotency-Key 再提交。",
        "Tell whoever runs the system to make room, then send it again with the same Idempotency-Key.",
    ),
    "internal": _Text(
        "请稍后重试;如仍出错,请把 correlation 告诉管理员。",
        "Try again later; if it happens again, give the correlation to whoever runs the system.",
    ),
}

_HTTP_CODES = {
    400: "unreadable",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}

_DETAILS = {
    400: _Text("请求正文无法解析。", "The body of the request cannot be parsed."),
    404: _Text("没有这个地址。请在 /docs 查看可用的地址。", "There is no such address. /docs lists those there are."),
    405: _Text("此地址不支持该方法。请在 /docs 查看。", "This address does not take that method. See /docs."),
    413: _Text("请求正文超过了上限。", "The body of the request is over the limit."),
}

_DATABASE_AWAY = _Text(
    "数据库暂时没有回应，本次没有得到办成的确认。",
    "The database does not answer at the moment, so nothing confirms that this was done.",
)
_STORAGE_FULL = _Text(
    "数据库的磁盘已满，本次没有办成，也没有留下任何内容。",
    "The database's disk is full, so this was not done, and nothing of it was kept.",
)
#: A database that is started again answers after some seconds.
_RETRY_AFTER_SECONDS = 5
#: How the database, or the way to it, says that it cannot now. What asyncpg says of wrong arguments (a ValueError too)
#: is a bug.
_AWAY = (
    ConnectionError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)

#: The platform's value types say it in both languages, one after the other.
_BOTH_LANGUAGES = re.compile(r"(?P<zh>.*?。)\s*(?P<en>[A-Za-z].*)", re.DOTALL)

#: Pydantic's own messages that people meet most, in Chinese; `{...}` are the error's own numbers.
_CHINESE: Mapping[str, str] = {
    "missing": "必填",
    "extra_forbidden": "没有这个字段",
    "json_invalid": "不是有效的 JSON",
    "string_type": "应为文字",
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "最多 {max_length} 个字符",
    "string_pattern_mismatch": "格式不符",
    "string_unicode": "含有无效字符",
    "int_type": "应为整数",
    "int_parsing": "应为整数",
    "int_parsing_size": "数字过大",
    "int_from_float": "应为整数,不带小数",
    "float_type": "应为数字",
    "float_parsing": "应为数字",
    "finite_number": "应为有限的数字",
    "decimal_type": "应为数字",
    "decimal_parsing": "应为数字",
    "decimal_max_digits": "数字位数过多(最多 {max_digits} 位)",
    "decimal_max_places": "小数位数过多(最多 {decimal_places} 位)",
    "bool_type": "应为 true 或 false",
    "bool_parsing": "应为 true 或 false",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "不得小于 {ge}",
    "less_than": "应小于 {lt}",
    "less_than_equal": "不得大于 {le}",
    "multiple_of": "应为 {multiple_of} 的倍数",
    "enum": "应为下列之一:{expected}",
    "literal_error": "应为下列之一:{expected}",
    "date_type": "应为日期(YYYY-MM-DD)",
    "date_parsing": "应为日期(YYYY-MM-DD)",
    "date_from_datetime_parsing": "应为日期(YYYY-MM-DD)",
    "date_from_datetime_inexact": "应为日期,不带时间",
    "datetime_type": "应为时间(如 2026-11-24T09:30:00+08:00)",
    "datetime_parsing": "应为时间(如 2026-11-24T09:30:00+08:00)",
    "datetime_from_date_parsing": "应为时间(如 2026-11-24T09:30:00+08:00)",
    "timezone_aware": "时间须带时区(如 +08:00)",
    "uuid_type": "应为 UUID",
    "uuid_parsing": "应为 UUID",
    "list_type": "应为列表",
    "too_short": "至少 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "dict_type": "应为对象",
    "model_type": "应为对象",
    "model_attributes_type": "应为对象",
    "union_tag_invalid": "类别应为下列之一:{expected_tags}",
    "union_tag_not_found": "缺少类别",
}


def problem(
    request: Request,
    *,
    code: str,
    status: int,
    detail: str,
    clause: str = "",
    next_step: str | None = None,
    errors: Sequence[FieldProblem] | None = None,
    evidence: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make a problem of what is said in the reader's language already; fields without content are left out."""
    language = language_of(request)
    title = _TITLES.get(status) or _Text(HTTPStatus(status).phrase, HTTPStatus(status).phrase)
    advice = _NEXT.get(code)
    body = Problem(
        type=f"urn:kehu:problem:{code}",
        title=title.in_(language),
        status=status,
        detail=detail,
        code=code,
        clause=clause or None,
        next=next_step or (advice.in_(language) if advice else None),
        correlation=getattr(request.state, "correlation", None),
        errors=list(errors) if errors else None,
        evidence=_plain(evidence) or None,
    )
    return JSONResponse(
        body.model_dump(mode="json", exclude_none=True),
        status_code=status,
        headers={"Content-Language": "zh-CN" if language == "zh" else "en", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def language_of(request: Request) -> Language:
    """The language that the sender of a request reads."""
    return preferred_language(request.headers.get("accept-language"))


def add_problems(app: FastAPI) -> None:
    """Answer every error of `app` with a problem."""
    app.add_exception_handler(KehuError, refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def field_problems(errors: Sequence[Any], language: Language) -> list[FieldProblem]:
    """Pydantic's errors by field, in the reader's language, without the values that were sent."""
    return [
        FieldProblem(
            field=".".join(str(step) for step in error["loc"]) or "body",
            code=error["type"],
            detail=_sentence(error, language),
        )
        for error in errors
    ]


def _sentence(error: Mapping[str, Any], language: Language) -> str:
    message: str = error["msg"].removeprefix("Value error, ")
    if both := _BOTH_LANGUAGES.fullmatch(message):
        return both["zh"] if language == "zh" else both["en"]
    if language == "en":
        return message
    known = _CHINESE.get(error["type"])
    try:
        return known.format_map(error.get("ctx") or {}) if known else f"不符合要求:{message}"
    except KeyError:
        return f"不符合要求:{message}"


async def refused(request: Request, error: Exception) -> JSONResponse:
    """Answer a refusal with its problem."""
    if not isinstance(error, KehuError):
        raise TypeError(f"Not a refusal: {error!r}")
    headers: dict[str, str] = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if "actual" in error.evidence:
        headers["ETag"] = f'"{error.evidence["actual"]}"'
    language = language_of(request)
    evidence = dict(error.evidence)
    errors = evidence.pop("errors", None)
    return problem(
        request,
        code=error.problem_code,
        status=error.status,
        detail=error.zh if language == "zh" else error.en,
        clause=error.clause,
        errors=errors,
        evidence=evidence,
        headers=headers,
    )


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"Not a validation error: {error!r}")
    language = language_of(request)
    errors = field_problems(error.errors(), language)
    return problem(
        request,
        code="invalid-request",
        status=422,
        detail=f"{len(errors)} 处内容不符合要求。"
        if language == "zh"
        else f"{len(errors)} fields are not as required.",
        errors=errors,
    )


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise TypeError(f"Not an HTTP error: {error!r}")
    known = _DETAILS.get(error.status_code)
    return problem(
        request,
        code=_HTTP_CODES.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")),
        status=error.status_code,
        detail=known.in_(language_of(request)) if known else str(error.detail),
        headers=error.headers,
    )


def too_large_problem(request: Request) -> JSONResponse:
    """What is said of a body over its route's limit."""
    return problem(request, code="too-large", status=413, detail=_DETAILS[413].in_(language_of(request)))


def unavailable_problem(request: Request, error: Exception) -> JSONResponse | None:
    """What is said where the database cannot do its work now, whatever was asked of it; None for any other error.

    The transaction was rolled back, or (a connection that broke at its end) is known by its idempotency key.
    """
    if isinstance(error, ValueError) or not isinstance(error, _AWAY):
        return None
    full = isinstance(error, asyncpg.DiskFullError)
    said = _STORAGE_FULL if full else _DATABASE_AWAY
    return problem(
        request,
        code="storage-full" if full else "database-away",
        status=503,
        detail=said.in_(language_of(request)),
        headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
    )


def internal_problem(request: Request) -> JSONResponse:
    """What is said of a bug: nothing but the correlation under which its traceback was logged."""
    language = language_of(request)
    return problem(
        request,
        code="internal",
        status=500,
        detail="系统内部出错,已记录。"
        if language == "zh"
        else "Something failed inside the system; it has been logged.",
    )


def _plain(evidence: Mapping[str, Any] | None) -> dict[str, Any]:
    """Evidence as JSON data; what JSON does not know (ids, dates) as text."""
    loaded: dict[str, Any] = json.loads(json.dumps(dict(evidence or {}), default=str, ensure_ascii=False))
    return loaded
