"""OpenTelemetry traces, sent only where OTEL_EXPORTER_OTLP_ENDPOINT says; without it, spans cost next to nothing."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract, inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

tracer = trace.get_tracer("kehu")


def trace_headers() -> dict[str, str]:
    """The W3C trace context of what is being done, for a fact's metadata; empty where nothing is traced."""
    headers: dict[str, str] = {}
    inject(headers)
    return headers


@contextmanager
def consuming(topic: str, traces: Iterable[Mapping[str, str]]) -> Generator[None]:
    """A span around giving a delivered batch its effect, linked to whatever made each of its messages.

    Linked, not below it: a batch has many causes. What is recorded inside carries on this span's own trace.

    Args:
        topic: where the messages come from.
        traces: the W3C trace context of each message, empty where it came without.

    """
    with tracer.start_as_current_span(f"process {topic}", kind=SpanKind.CONSUMER) as span:
        if span.is_recording():
            carried = list(traces)
            span.set_attributes(
                {
                    "messaging.system": "kafka",
                    "messaging.destination.name": topic,
                    "messaging.operation.type": "process",
                    "messaging.batch.message_count": len(carried),
                }
            )
            # Facts of one command share their span: one link is enough.
            causes = [trace.get_current_span(extract(carrier, Context())).get_span_context() for carrier in carried]
            for cause in {cause.span_id: cause for cause in causes if cause.is_valid}.values():
                span.add_link(cause)
        yield


def configure_tracing(service: str) -> TracerProvider | None:
    """Start sending traces if an endpoint is set; shut the returned provider down at the end."""
    if not os.environ.get(ENDPOINT):
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": f"kehu-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
