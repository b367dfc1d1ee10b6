"""Aliyun's request signature, version 3 (ACS3-HMAC-SHA256), for calls whose parameters stand in the query."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

ALGORITHM = "ACS3-HMAC-SHA256"
_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an API.

    Args:
        host: of the endpoint, with its port where that is not the usual one.
        action: such as ``SendSms``.
        version: of the API, such as ``2017-05-25``.
        parameters: of the action.
        at: now, aware; Aliyun takes 15 minutes' difference at most.
        nonce: never used before.

    """

    host: str
    action: str
    version: str
    parameters: Mapping[str, str]
    at: datetime
    nonce: str

    @property
    def query(self) -> str:
        """The query string, exactly as it is signed and must be sent."""
        return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(self.parameters.items()))


def signed_headers(call: Call, key_id: str, secret: str) -> dict[str, str]:
    """The headers to POST the call with, its body empty."""
    headers = {
        "host": call.host,
        "x-acs-action": call.action,
        "x-acs-content-sha256": _EMPTY_BODY,
        "x-acs-date": call.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": call.nonce,
        "x-acs-version": call.version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n{call.query}\n{lines}\n{names}\n{_EMPTY_BODY}"
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = f"{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}"
    return headers


def _encoded(text: str) -> str:
    return quote(text, safe="~")  # letters, digits and -_. stand as they are, everything else as %XX (RFC 3986)
