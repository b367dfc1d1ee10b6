-- How far the service's published facts have come on their way to Kafka.
-- depends:
-- migrate: apply
CREATE TABLE relay (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    tx bigint NOT NULL DEFAULT 0,
    "position" bigint NOT NULL DEFAULT 0,
    -- The last acknowledged offset of each partition, from partition 0 on; -1 where there is none yet.
    offsets bigint[] NOT NULL DEFAULT '{}',
    -- How often the broker was found to have lost data, so that all was relayed again.
    resets integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50); -- its row is updated with every round: room for heap-only updates
INSERT INTO relay DEFAULT VALUES;

-- migrate: rollback
DROP TABLE relay;
