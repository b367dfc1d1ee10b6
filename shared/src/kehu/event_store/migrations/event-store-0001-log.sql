-- The log, stream heads, claims, inboxes, the clock
-- depends:

-- migrate: apply

-- Which database role is which service, and which categories of streams are its own.
CREATE TABLE event_store.services (
    service text PRIMARY KEY,
    role name NOT NULL UNIQUE
);

CREATE TABLE event_store.categories (
    category text PRIMARY KEY CHECK (category ~ '^[a-z][a-z_]*$'),
    service text NOT NULL REFERENCES event_store.services
);

-- Which published facts of others a service may read from the store, to rebuild what it folded from their topic.
CREATE TABLE event_store.subscriptions (
    service text NOT NULL REFERENCES event_store.services,
    type text NOT NULL,
    PRIMARY KEY (service, type)
);

CREATE TABLE event_store.events (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
    service text NOT NULL,
    stream text NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    sequence bigint CHECK (sequence > 0),
    key text NOT NULL,
    id uuid NOT NULL,
    type text NOT NULL,
    schema_version integer NOT NULL,
    -- json, not jsonb: the text stays byte for byte what was written, so that proofs over it hold.
    data json NOT NULL,
    metadata json NOT NULL,
    actor text NOT NULL,
    correlation uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT events_stream_version UNIQUE (stream, version),
    CONSTRAINT events_id UNIQUE (id)
);

-- Followers and relays page through it (read_log, read_published).
CREATE INDEX events_log ON event_store.events (service, tx, position);
-- The auditor's questions: a customer, an actor, a correlation, a window of time.
CREATE INDEX events_key ON event_store.events (key, position);
CREATE INDEX events_actor ON event_store.events (actor, position);
CREATE INDEX events_correlation ON event_store.events (correlation);
CREATE INDEX events_recorded ON event_store.events (recorded_at, position);

CREATE TABLE event_store.streams (
    stream text PRIMARY KEY,
    version bigint NOT NULL,
    sequence bigint NOT NULL,
    key text NOT NULL
) WITH (fillfactor = 50); -- its rows are updated at every append: room for heap-only updates

CREATE TABLE event_store.claims (
    scope text NOT NULL,
    value text NOT NULL,
    holder text NOT NULL,
    digest text,
    answer json,
    service text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (scope, value)
);

CREATE TABLE event_store.inbox (
    service text NOT NULL,
    consumer text NOT NULL,
    stream text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (service, consumer, stream)
) WITH (fillfactor = 50);

-- How far the policy's clock is ahead of the real one; moved in demonstration mode only.
CREATE TABLE event_store.clock (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    ahead interval NOT NULL DEFAULT interval '0'
);
INSERT INTO event_store.clock DEFAULT VALUES;

-- migrate: rollback
