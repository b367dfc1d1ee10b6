"""SMS through Aliyun's dysmsapi: SendSms to hand one over, QuerySendDetails to ask what has become of it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stamina

from kehu.calendar import today
from kehu_notifier.channels.calling import NotAnsweredError, call
from kehu_notifier.channels.channel import (
    NO_TRACE,
    Accepted,
    Delivered,
    FailedForGood,
    Handed,
    Outcome,
    Outgoing,
    TryAgain,
    Unknown,
)
from kehu_notifier.channels.signing import Call, signed_headers

_VERSION = "2017-05-25"
_MAINLAND = "+86"
#: As many as a page holds; a phone gets fewer in a day (Aliyun's own limits).
_PAGE = "50"
#: The provider dates a message by its own clock, which may be past midnight already.
_ABOUT = timedelta(minutes=2)

#: Wrong with this message, however often it is sent. Everything else that Aliyun refuses is wrong with the account, its
#: limits or its servers: somebody or time mends that, and the message waits.
_FOR_GOOD = frozenset(
    {
        "isv.BLACK_KEY_CONTROL_LIMIT",
        "isv.INVALID_JSON_PARAM",
        "isv.INVALID_PARAMETERS",
        "isv.MOBILE_NUMBER_ILLEGAL",
        "isv.PARAM_LENGTH_LIMIT",
        "isv.PARAM_NOT_SUPPORT_URL",
        "isv.SMS_TEMPLATE_ILLEGAL",
        "isv.TEMPLATE_MISSING_PARAMETERS",
        "isv.TEMPLATE_PARAMS_ILLEGAL",
    }
)
#: Their servers failed in the middle: it may have been sent.
_UNCLEAR = frozenset({"InternalError", "isp.GATEWAY_ERROR", "isp.SYSTEM_ERROR", "isp.UNKNOWN"})
_OK = "OK"


class AliyunSms:
    """SMS to mainland mobiles, by approved signature and template.

    Args:
        client: for its calls.
        endpoint: of the API.
        key_id, secret: the access key.
        sign_name: the approved signature.

    """

    can_look_up = True

    def __init__(self, client: httpx2.AsyncClient, endpoint: str, key_id: str, secret: str, sign_name: str) -> None:
        self._client = client
        self._endpoint = endpoint.rstrip("/")
        self._key_id = key_id
        self._secret = secret
        self._sign_name = sign_name

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Hand it over, once: a call that may have arrived is never repeated."""
        if not outgoing.provider_template:
            return FailedForGood("no-approved-template")
        parameters = {
            "PhoneNumbers": outgoing.to.removeprefix(_MAINLAND),
            "SignName": self._sign_name,
            "TemplateCode": outgoing.provider_template,
            "TemplateParam": json.dumps(dict(outgoing.variables), ensure_ascii=False),
            "OutId": outgoing.message,
        }
        try:
            answer = await self._call("SendSms", parameters)
        except NotAnsweredError as error:
            return error.outcome
        code = str(answer.get("Code", ""))
        if code == _OK:
            return Accepted(_reference(answer))
        if code in _FOR_GOOD:
            return FailedForGood(code)
        return Unknown(code or "no-code") if code in _UNCLEAR or not code else TryAgain(code)

    async def look_up(self, handed: Handed) -> Outcome:
        """Find it among what was sent to the phone around that time, by our own id."""
        days = {today(handed.at - _ABOUT), today(handed.at + _ABOUT)}
        for day in sorted(days):
            parameters = {
                "PhoneNumber": handed.to.removeprefix(_MAINLAND),
                "SendDate": day.strftime("%Y%m%d"),
                "PageSize": _PAGE,
                "CurrentPage": "1",
            }
            if handed.provider_reference:
                parameters["BizId"] = handed.provider_reference
            try:
                answer = await self._ask(parameters)
            except NotAnsweredError as error:
                return Unknown(error.outcome.code)
            if answer.get("Code") != _OK:
                return Unknown(str(answer.get("Code", "no-code")))
            for detail in _details(answer):
                if detail.get("OutId") == handed.message:
                    return _told(detail, handed.provider_reference)
        return Unknown(NO_TRACE)

    async def _ask(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Asking changes nothing, so it may be repeated."""
        async for attempt in stamina.retry_context(on=NotAnsweredError, attempts=3, wait_initial=0.1, wait_max=1.0):
            with attempt:
                return await self._call("QuerySendDetails", parameters)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _call(self, action: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        # Real time, not the policy's clock: Aliyun compares it with its own.
        at = datetime.fromtimestamp(time.time(), UTC)
        host = urlsplit(self._endpoint).netloc
        made = Call(host, action, _VERSION, parameters, at, secrets.token_hex(16))
        headers = signed_headers(made, self._key_id, self._secret)
        request = self._client.build_request("POST", f"{self._endpoint}/?{made.query}", headers=headers)
        return await call(self._client, request)


def _reference(answer: Mapping[str, Any]) -> str | None:
    reference = answer.get("BizId")
    return str(reference) if reference else None


def _details(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    match answer:
        case {"SmsSendDetailDTOs": {"SmsSendDetailDTO": list(details)}}:
            found: list[Any] = details
            return [detail for detail in found if isinstance(detail, dict)]
        case _:
            return []


def _told(detail: Mapping[str, Any], reference: str | None) -> Outcome:
    match detail.get("SendStatus"):
        case 3 | "3":
            return Delivered(reference)
        case 2 | "2":
            return FailedForGood(str(detail.get("ErrCode") or "not-delivered"))
        case _:
            return Accepted(reference)
