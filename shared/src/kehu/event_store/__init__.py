"""The append-only event store: streams of facts, claims on values, inboxes; on PostgreSQL.

`EventStore` is the way in. `sql/` holds its tables and one file per function; what a call may do is decided there, by
the database role that is connected.
"""

from kehu.event_store.appending import (
    MAX_STREAMS_PER_CALL,
    Append,
    Appended,
    Claim,
    Conflict,
    Connection,
    FactTooLarge,
    InboxMove,
    InboxMoved,
    NewFact,
    Taken,
)
from kehu.event_store.store import EventStore

__all__ = [
    "MAX_STREAMS_PER_CALL",
    "Append",
    "Appended",
    "Claim",
    "Conflict",
    "Connection",
    "EventStore",
    "FactTooLarge",
    "InboxMove",
    "InboxMoved",
    "NewFact",
    "Taken",
]
