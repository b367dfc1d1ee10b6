"""OpenTelemetry traces, sent only where OTEL_EXPORTER_OTLP_ENDPOINT says; without it, spans cost next to nothing."""

from __future__ import annotations

import os

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

tracer = trace.get_tracer("kehu")


def trace_headers() -> dict[str, str]:
    """The W3C trace context of what is being done, for a fact's metadata; empty where nothing is traced."""
    headers: dict[str, str] = {}
    inject(headers)
    return headers


def configure_tracing(service: str) -> TracerProvider | None:
    """Start sending traces if an endpoint is set; shut the returned provider down at the end."""
    if not os.environ.get(ENDPOINT):
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": f"kehu-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider
