"""Store to Kafka: relays a service's published facts in the log's order, loses none, and reorders none of a key.

One process of a service leads (a session advisory lock); the others stand by. The cursor is saved on the connection
that holds the lock, after every acknowledgement: whoever takes over can only repeat facts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from kehu.event_store import EventStore
from kehu.facts import START, Position, StoredFact
from kehu.service import Service
from kehu.settings import Settings
from kehu.topic_writer import Acknowledged, TopicWriter
from kehu.topics import WrongPartitionCount, ensure_topics, owned_topics

log = structlog.get_logger(__name__)

#: Facts a round; with 6 partitions and 600-byte facts its batches stay under their limit of 900 kB.
ROUND_FACTS = 2_000
#: Polling is the truth, hints only make it faster; after one, pauses grow from the first to the longest.
FIRST_POLL_SECONDS = 0.005
LONGEST_POLL_SECONDS = 1.0
#: How often the broker is asked whether it still has everything.
CHECK_SECONDS = 10.0
FIRST_BACK_OFF_SECONDS = 0.1
LONGEST_BACK_OFF_SECONDS = 30.0
#: A statement of the relay takes milliseconds; one that takes longer than this has lost its connection.
COMMAND_TIMEOUT_SECONDS = 10.0
#: What a round in hand may take when the process is asked to stop.
GRACE_SECONDS = 10.0

#: The server gives the lock of a host that has vanished free after 25 s. A lost save only repeats facts, so none is
#: waited for on the disk.
_CONNECTION_SETTINGS = {
    "application_name": "kehu relay",
    "synchronous_commit": "off",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}

#: Below the first all transactions are over; those from the second on have not begun.
_SNAPSHOT = "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() s"

_LAG = Gauge("kehu_relay_lag_seconds", "Age of the oldest published fact that is not in Kafka yet.", ["service"])
_RELAYED = Counter("kehu_relay_facts", "Facts acknowledged by the broker, repetitions included.", ["service"])
_ROUNDS = Counter("kehu_relay_rounds", "Rounds of the relay.", ["service"])
_RESETS = Counter("kehu_relay_resets", "Times that the broker was found to have lost data.", ["service"])
_FAILURES = Counter("kehu_relay_failures", "Times that the relay had to start again.", ["service"])
_LEADS = Gauge("kehu_relay_leader", "1 in the process that relays.", ["service"])


class BrokerLostData(Exception):
    """The broker no longer has what it acknowledged: everything is relayed again from the first fact."""

    def __init__(self, topic: str, partition: int, remembered: int, evidence: str) -> None:
        super().__init__(f"Topic {topic}, partition {partition}: offset {remembered} was acknowledged, but {evidence}.")


class Relay:
    """Relays one service's published facts to its topic, as long as `run` runs.

    Args:
        service: whose.
        store: its event store, to read the log.
        settings: where database and broker are.

    Attributes:
        healthy: False from an error until the next successful round, and before the first one.
        caught_up: whether everything that was in the log at the last look is in Kafka (also told by a stand-by).
        leading: whether this process is the one that relays.
        rounds, relayed, resets: how many, since this object was made.

    """

    def __init__(self, service: Service, store: EventStore, settings: Settings) -> None:
        self.service = service
        self.healthy = False
        self.caught_up = False
        self.leading = False
        self.rounds = 0
        self.relayed = 0
        self.resets = 0
        self._store = store
        self._settings = settings
        self._hint = asyncio.Event()
        self._stopping = False
        self._saved = START
        self._back_off = FIRST_BACK_OFF_SECONDS
        #: Who waits for being caught up, with the transaction id that must be behind the log's readers for it.
        self._waiting: list[tuple[asyncio.Future[None], int | None]] = []

    @property
    def channel(self) -> str:
        """The NOTIFY channel on which other processes tell the leader that there may be something new."""
        return f"kehu_{self.service.schema}"

    def wake(self) -> None:
        """Say that there may be something new; costs nothing, may be called at every commit."""
        self._hint.set()

    async def wait_caught_up(self) -> None:
        """Wait until every fact that is committed now is in Kafka."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, None))
        self.wake()
        await future

    async def run(self) -> None:
        """Relay until cancelled; the round in hand is finished then.

        Raises:
            WrongPartitionCount: the topic is not as declared; only a person can mend that.

        """
        self._stopping = False
        worker = asyncio.create_task(self._keep_relaying(), name=f"relay-{self.service.name}")
        try:
            await asyncio.shield(worker)
        except asyncio.CancelledError:
            self._stopping = True
            self.wake()
            await asyncio.wait({worker}, timeout=GRACE_SECONDS)
            worker.cancel()
            with suppress(asyncio.CancelledError, Exception):  # it is asked to end; what it says on its way is logged
                await worker
            raise
        finally:
            self.healthy = False

    async def _keep_relaying(self) -> None:
        while not self._stopping:
            try:
                await self._session()
            except WrongPartitionCount:
                log.exception("relay.stopped", service=self.service.name)
                raise
            except Exception as error:  # noqa: BLE001 - logged and counted; the loop must outlive every kind of fault
                # Whatever it was: nothing of this session is used again, so the saved cursor is all that counts.
                _FAILURES.labels(self.service.name).inc()
                log.warning("relay.failed", service=self.service.name, error=repr(error), again_in=self._back_off)
                self.healthy = self.caught_up = False
                await self._pause(self._back_off, hints=False)
                self._back_off = min(self._back_off * 2, LONGEST_BACK_OFF_SECONDS)

    async def _session(self) -> None:
        """Everything from connecting to the first error."""
        connection = await asyncpg.connect(
            **self._settings.connection(self.service.role),
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings=_CONNECTION_SETTINGS,
        )
        try:
            await self._stand_by(connection)
            if not self._stopping:
                await connection.add_listener(self.channel, self._told)
                await self._lead(connection)
        finally:
            self.leading = False
            _LEADS.labels(self.service.name).set(0)
            try:
                await connection.close(timeout=COMMAND_TIMEOUT_SECONDS)
            except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()

    # --- standing by ---------------------------------------------------------------------------------------------

    async def _stand_by(self, connection: asyncpg.Connection) -> None:
        """Return once this process leads, or is to stop. Until then, hand hints on to whoever leads."""
        tried = -LONGEST_POLL_SECONDS
        while not self._stopping:
            if time.monotonic() - tried >= LONGEST_POLL_SECONDS:
                tried = time.monotonic()
                if await connection.fetchval(
                    "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"kehu relay {self.service.name}"
                ):
                    return
                self._back_off, self.healthy = FIRST_BACK_OFF_SECONDS, True
            cursor, _ = await self._load(connection)
            await self._read(connection, cursor, 1)
            if await self._pause(LONGEST_POLL_SECONDS):
                await connection.execute("SELECT pg_notify($1, '')", self.channel)

    # --- leading -------------------------------------------------------------------------------------------------

    async def _lead(self, connection: asyncpg.Connection) -> None:
        self.leading = True
        _LEADS.labels(self.service.name).set(1)
        log.info("relay.leading", service=self.service.name)
        await ensure_topics(self._settings, owned_topics(self.service))
        writer = TopicWriter(self._settings, self.service.topic, self.service.partitions)
        try:
            await writer.open()
            await self._rounds(connection, writer)
        except BrokerLostData as lost:
            log.error("relay.broker_lost_data", service=self.service.name, found=str(lost))  # noqa: TRY400 - no bug's trace
            self.caught_up = False
            await connection.execute("""UPDATE relay SET tx = 0, "position" = 0, offsets = '{}', resets = resets + 1""")
            self.resets += 1
            _RESETS.labels(self.service.name).inc()
        finally:
            await writer.close()

    async def _rounds(self, connection: asyncpg.Connection, writer: TopicWriter) -> None:
        cursor, offsets = await self._load(connection)
        checked = -CHECK_SECONDS
        pause = FIRST_POLL_SECONDS
        page: list[StoredFact] = []
        while not self._stopping:
            if time.monotonic() - checked >= CHECK_SECONDS:
                self._check_ends(offsets, await writer.end_offsets())
                checked = time.monotonic()
            if not page:
                page = await self._read(connection, cursor, ROUND_FACTS)
            if page:
                page = await self._round(connection, writer, page, offsets)
                cursor, pause = self._saved, FIRST_POLL_SECONDS
            else:
                self._back_off, self.healthy = FIRST_BACK_OFF_SECONDS, True
                pause = FIRST_POLL_SECONDS if await self._pause(pause) else min(2 * pause, LONGEST_POLL_SECONDS)

    async def _round(
        self, connection: asyncpg.Connection, writer: TopicWriter, page: list[StoredFact], offsets: list[int]
    ) -> list[StoredFact]:
        """Send a page, wait for it, save how far that is; the next page is read meanwhile.

        Returns:
            The next page, where one was there already.

        """
        service = self.service.name
        _LAG.labels(service).set(time.time() - page[0].recorded_at.timestamp())
        end = page[-1].position
        sending = asyncio.ensure_future(writer.send(writer.prepare(page)))
        try:
            following: list[StoredFact] = []
            if len(page) == ROUND_FACTS:
                following = await self._store.read_log(end, ROUND_FACTS, only_published=True, connection=connection)
            for acknowledged in await sending:
                self._note(offsets, acknowledged)
        finally:
            sending.cancel()
        await connection.execute(
            'UPDATE relay SET tx = $1, "position" = $2, offsets = $3', end.tx, end.position, offsets
        )
        self._saved = end
        self.rounds += 1
        self.relayed += len(page)
        self._back_off, self.healthy = FIRST_BACK_OFF_SECONDS, True
        _ROUNDS.labels(service).inc()
        _RELAYED.labels(service).inc(len(page))
        return following

    # --- what the broker has -------------------------------------------------------------------------------------

    def _note(self, offsets: list[int], acknowledged: Acknowledged) -> None:
        """Remember an acknowledgement.

        Raises:
            BrokerLostData: it is not above the one before.

        """
        remembered = offsets[acknowledged.partition]
        if acknowledged.first is None or acknowledged.last is None:
            return  # a repetition that the broker recognised: it has it, and does not say where
        if acknowledged.first <= remembered:
            evidence = f"{acknowledged.first} was given to a later fact"
            raise BrokerLostData(self.service.topic, acknowledged.partition, remembered, evidence)
        offsets[acknowledged.partition] = acknowledged.last

    def _check_ends(self, offsets: Sequence[int], ends: Sequence[int]) -> None:
        """Compare what was acknowledged with what is there.

        The embedded broker counts a whole batch as one record when it is asked where a partition ends; but it keeps
        everything or (restarted) nothing, so an end of 0 is what tells.

        Raises:
            BrokerLostData: there is less.

        """
        embedded = self._settings.broker_kind == "embedded"
        for partition, (remembered, end) in enumerate(zip(offsets, ends, strict=True)):
            if end < (min(remembered, 0) if embedded else remembered) + 1:
                raise BrokerLostData(self.service.topic, partition, remembered, f"the partition ends before {end}")

    # --- the log -------------------------------------------------------------------------------------------------

    async def _load(self, connection: asyncpg.Connection) -> tuple[Position, list[int]]:
        row = await connection.fetchrow('SELECT tx, "position", offsets FROM relay')
        if row is None:
            return START, [-1] * self.service.partitions
        offsets: list[int] = [*row["offsets"], *[-1] * self.service.partitions]
        self._saved = Position(row["tx"], row["position"])
        return self._saved, offsets[: self.service.partitions]

    async def _read(self, connection: asyncpg.Connection, after: Position, limit: int) -> list[StoredFact]:
        """A page of published facts. When there is none: all that was committed before this call is in Kafka."""
        self._hint.clear()
        floor = 0
        if waiting := len(self._waiting):
            floor, ceiling = await connection.fetchrow(_SNAPSHOT) or (0, 0)
            self._waiting[:waiting] = [
                (future, ceiling if target is None else target) for future, target in self._waiting[:waiting]
            ]
        page = await self._store.read_log(after, limit, only_published=True, connection=connection)
        self.caught_up = not page
        if not page:
            _LAG.labels(self.service.name).set(0)
            for future, target in self._waiting[:waiting]:
                if target is not None and target <= floor and not future.done():
                    future.set_result(None)
            self._waiting = [entry for entry in self._waiting if not entry[0].done()]
        return page

    async def _pause(self, seconds: float, *, hints: bool = True) -> bool:
        """Wait; at most until a hint, or until the process is to stop. Whether there was a hint."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._stopping:
            try:
                async with asyncio.timeout(left):
                    await self._hint.wait()
            except TimeoutError:
                return False
            if hints or self._stopping:
                return True
            self._hint.clear()
        return False

    def _told(self, *_: object) -> None:
        self._hint.set()
