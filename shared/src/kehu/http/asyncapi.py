"""The AsyncAPI document of a service: what it publishes, what it listens to, and what others may send to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import models_json_schema

from kehu.facts import Fact
from kehu.service import Service

_SEALED = {
    "type": "object",
    "description": "A personal value, encrypted: AES-256-GCM under the person's key.",
    "properties": {
        "enc": {"type": "string"},
        "person": {"type": "string"},
        "nonce": {"type": "string"},
        "ciphertext": {"type": "string"},
    },
    "required": ["enc", "person", "nonce", "ciphertext"],
}


def asyncapi(service: Service, version: str) -> dict[str, Any]:
    """Describe a service's topics by its declarations (AsyncAPI 3.0).

    Args:
        service: which one.
        version: of the software.

    """
    published = _published(service)
    inbound = {declared.type for declared in service.each("inbound")}
    subscriptions = service.subscriptions()
    document: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {"title": f"Kehu: {service.title}", "version": version, "description": _PREAMBLE},
        "defaultContentType": "application/json",
        "channels": {},
        "operations": {},
        "components": {"messages": {}, "schemas": {}},
    }
    _channel(document, service.topic, "publish", "send", published, f"Facts of {service.name}.")
    for source, facts in sorted(subscriptions.items()):
        _channel(
            document, f"kehu.{source}", f"read-{source}", "receive", facts, f"Facts of {source} that it reacts to."
        )
    _channel(document, service.inbound_topic, "accept", "receive", inbound, "What other systems may send to it.")
    _messages(document, {*published, *inbound, *(fact for facts in subscriptions.values() for fact in facts)})
    return document


_PREAMBLE = (
    "CloudEvents 1.0 in Kafka's binary content mode (headers `ce_*`), keyed by the customer or else the stream. "
    "`sequence` counts a stream's published facts without gaps: drop what is not above the last one seen per subject."
)


def _published(service: Service) -> set[type[Fact]]:
    return {fact for category in service.each("categories") for fact in category.facts if fact.published}


def _channel(
    document: dict[str, Any], topic: str, operation: str, action: str, facts: Iterable[type[Fact]], description: str
) -> None:
    names = sorted(fact.type_name() for fact in facts)
    if not names:
        return
    channel = document["channels"].setdefault(topic, {"address": topic, "description": description, "messages": {}})
    channel["messages"].update({name: {"$ref": f"#/components/messages/{name}"} for name in names})
    document["operations"][operation] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": description,
        "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"} for name in names],
    }


def _messages(document: dict[str, Any], facts: Iterable[type[Fact]]) -> None:
    ordered = sorted(facts, key=lambda fact: fact.type_name())
    if not ordered:
        return
    refs, definitions = models_json_schema(
        [(fact, "serialization") for fact in ordered], ref_template="#/components/schemas/{model}"
    )
    document["components"]["schemas"] = _sealed(definitions.get("$defs", {}))
    for fact in ordered:
        document["components"]["messages"][fact.type_name()] = {
            "name": fact.type_name(),
            "title": fact.__name__,
            "summary": (fact.__doc__ or "").strip(),
            "contentType": "application/json",
            "payload": refs[fact, "serialization"],
            "x-clause": fact.clause,
        }


def _sealed(schema: Any) -> Any:
    """The schema as it is on the wire: a personal string is a sealed object there."""
    if isinstance(schema, dict):
        if "x-personal" in schema:
            return {**_SEALED, "title": schema.get("title", ""), "x-retention": schema["x-personal"]}
        return {name: _sealed(value) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_sealed(value) for value in schema]
    return schema
