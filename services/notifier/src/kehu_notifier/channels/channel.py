"""What a channel is: it takes one message, and says honestly what it knows about it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message about to leave. It holds personal data: it is never logged and never in a fact.

    Args:
        message: its id, given to the provider too, so that it can be asked about.
        recipient: the person's id.
        to: their address in this channel: ``+8613800138000``, or a WeCom user id.
        text: the whole text.
        variables: by name, for providers that hold the text themselves.
        provider_template: their id of it.

    """

    message: str
    recipient: str
    to: str
    text: str
    variables: Mapping[str, str]
    provider_template: str = ""


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that was handed over earlier, to ask about: to whom, when (real time), under which reference."""

    message: str
    to: str
    at: datetime
    provider_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has arrived, as far as the channel can tell."""

    provider_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken it, and will know later whether it arrived."""

    provider_reference: str | None = None


@dataclass(frozen=True, slots=True)
class FailedForGood:
    """It was not sent, and trying again would not help."""

    code: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It was certainly not sent; later it may be."""

    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent or not."""

    code: str


Outcome = Delivered | Accepted | FailedForGood | TryAgain | Unknown

#: `Unknown.code` of a provider that answers, and has no trace of the message.
NO_TRACE = "no-trace"


class Channel(Protocol):
    """One way out. Codes in outcomes are the provider's own, or ours; never what a person wrote."""

    #: Whether `look_up` can find anything out.
    can_look_up: bool

    async def send(self, outgoing: Outgoing) -> Outcome:
        """Hand a message over, once. Raises nothing that a provider or a network can cause."""
        ...

    async def look_up(self, handed: Handed) -> Outcome:
        """Ask what has become of a message handed over earlier; changes nothing."""
        ...
