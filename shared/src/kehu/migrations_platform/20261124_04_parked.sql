-- Dead letters: messages from Kafka that could not have their effect, and those that wait behind them.
-- depends:
-- migrate: apply
CREATE TABLE parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    -- The fact's id, else a digest of the message: the same message delivered again is known by it.
    message text NOT NULL,
    stream text,
    sequence bigint,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    -- Encrypted: key, value and headers as they came.
    sealed bytea NOT NULL,
    -- NULL where it only waits behind an earlier message of its key.
    error text,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (consumer, topic, key, message)
);

-- migrate: rollback
DROP TABLE parked;
