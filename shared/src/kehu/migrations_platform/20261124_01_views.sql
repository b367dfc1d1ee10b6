-- How far each view, reaction and schedule has come in the service's own log.
-- depends:
-- migrate: apply
CREATE TABLE view_cursors (
    name text PRIMARY KEY,
    tx bigint NOT NULL DEFAULT 0,
    "position" bigint NOT NULL DEFAULT 0,
    -- Set while it cannot get past the next fact: which one, and the kind of error (no values: they may be personal).
    stopped_at timestamptz,
    stopped_by uuid,
    error text
) WITH (fillfactor = 50); -- its rows are updated with every page: room for heap-only updates

-- migrate: rollback
DROP TABLE view_cursors;
