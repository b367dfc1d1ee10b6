"""What is measured of a service as a whole, for Prometheus; its parts keep their own figures beside them."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# From a commit on a fast disk to the transaction timeout of 5 s.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

APPEND_SECONDS = Histogram("kehu_append_seconds", "From handing facts over to their commit.", buckets=_SECONDS)
HTTP_SECONDS = Histogram(
    "kehu_http_request_seconds", "Requests by route and status.", ["method", "route", "status"], buckets=_SECONDS
)
WATERMARK_AGE = Gauge(
    "kehu_watermark_age_seconds", "Age of the oldest writing transaction; it holds every reader of the log back."
)
PARKED = Gauge("kehu_parked_messages", "Messages set aside because they fail, and those queued behind them.")
SCHEDULE_LATENESS = Gauge(
    "kehu_schedule_lateness_seconds",
    "How long the most overdue piece of scheduled work has waited, by the policy's time.",
)
LOOP_FAILURES = Counter(
    "kehu_loop_failures", "How often a part of the service has failed and was started again.", ["loop"]
)
