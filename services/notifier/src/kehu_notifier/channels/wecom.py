"""Application messages to employees through WeCom (企业微信): gettoken, then message/send."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import stamina

from kehu_notifier.channels.calling import NotAnsweredError, call
from kehu_notifier.channels.channel import Delivered, FailedForGood, Handed, Outcome, Outgoing, TryAgain, Unknown

_OK = 0
#: The token has run out or was replaced; nothing was sent.
_TOKEN_GONE = frozenset({40014, 41001, 42001})
#: Wrong with this message or its recipient. Everything else is wrong with the application, its limits or WeCom's
#: servers, and the message waits until somebody or time has mended it.
_FOR_GOOD = frozenset({40003, 44004, 45002, 60111, 81013})
#: Bytes of a text that WeCom takes.
_LONGEST = 2_048
#: WeCom drops a message that is the same as one sent within so many seconds; its own limit is four hours.
_DUPLICATE_SECONDS = 1_800
#: A token is renewed so many seconds before its end.
_MARGIN_SECONDS = 300.0


class TokenRefusedError(Exception):
    """WeCom gives no token.

    Args:
        code: its error code.

    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class WeCom:
    """Text messages from one application to members, by their user ids.

    Args:
        client: for its calls.
        endpoint: of the API.
        corp_id, secret: the company, and the application's secret.
        agent_id: the application.

    """

    #: WeCom cannot be asked what has become of an application message.
    can_look_up = False

    def __init__(self, client: httpx2.AsyncClient, endpoint: str, corp_id: str, secret: str, agent_id: int) -> None:
        self._client = client
        self._endpoint = endpoint.rstrip("/")
        self._corp_id = corp_id
        self._secret = secret
        self._agent_id = agent_id
        self._token = ""
        self._token_until = 0.0
        self._renewing = asyncio.Lock()

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Hand it over, once; only after a refused token a second time, since then nothing was sent."""
        try:
            token = await self._valid_token(refused="")
            answer = await self._send_with(token, outgoing)
            if answer.get("errcode") in _TOKEN_GONE:
                answer = await self._send_with(await self._valid_token(refused=token), outgoing)
        except NotAnsweredError as error:
            return error.outcome
        except TokenRefusedError as error:
            return TryAgain(error.code)
        return _told(answer, outgoing.to)

    async def look_up(self, handed: Handed) -> Outcome:
        """Nothing can be found out."""
        del handed
        return Unknown("cannot-ask")

    async def _send_with(self, token: str, outgoing: Outgoing) -> dict[str, Any]:
        body = {
            "touser": outgoing.to,
            "msgtype": "text",
            "agentid": self._agent_id,
            "text": {"content": _shortened(outgoing.text)},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": _DUPLICATE_SECONDS,
        }
        request = self._client.build_request(
            "POST", f"{self._endpoint}/cgi-bin/message/send", params={"access_token": token}, json=body
        )
        return await call(self._client, request)

    async def _valid_token(self, *, refused: str) -> str:
        """The token in the cache, or a new one where it has run out or is the one that was refused."""
        async with self._renewing:
            if self._token and self._token != refused and time.monotonic() < self._token_until:
                return self._token
            asked = time.monotonic()
            answer = await self._fetch_token()
            token, seconds = answer.get("access_token"), answer.get("expires_in")
            if answer.get("errcode", _OK) != _OK or not isinstance(token, str) or not isinstance(seconds, int):
                raise TokenRefusedError(f"gettoken-{answer.get('errcode', 'unreadable')}")
            self._token = token
            self._token_until = asked + max(seconds - _MARGIN_SECONDS, seconds / 2)
            return token

    async def _fetch_token(self) -> dict[str, Any]:
        """Asking for a token sends nothing, so it may be repeated; and without one, nothing was sent."""
        request_url = f"{self._endpoint}/cgi-bin/gettoken"
        parameters = {"corpid": self._corp_id, "corpsecret": self._secret}
        try:
            async for attempt in stamina.retry_context(on=NotAnsweredError, attempts=3, wait_initial=0.1, wait_max=1.0):
                with attempt:
                    request = self._client.build_request("GET", request_url, params=parameters)
                    return await call(self._client, request)
        except NotAnsweredError as error:
            raise TokenRefusedError(f"gettoken-{error.outcome.code}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")


def _told(answer: Mapping[str, Any], user: str) -> Outcome:
    code = answer.get("errcode")
    if code == _OK:
        refused = f"{answer.get('invaliduser') or ''}|{answer.get('unlicenseduser') or ''}".lower().split("|")
        if user.lower() in refused:
            return FailedForGood("invalid-user")
        reference = answer.get("msgid")
        return Delivered(str(reference) if reference else None)
    if not isinstance(code, int):
        return Unknown("no-code")
    return FailedForGood(str(code)) if code in _FOR_GOOD else TryAgain(str(code))


def _shortened(text: str) -> str:
    return text.encode()[:_LONGEST].decode(errors="ignore")
