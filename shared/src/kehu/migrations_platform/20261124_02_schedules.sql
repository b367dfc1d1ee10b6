-- Work that falls due: one item per kind and key, planned by a fact.
-- depends:
-- migrate: apply
CREATE TABLE schedules (
    kind text NOT NULL,
    key text NOT NULL,
    due_at timestamptz NOT NULL,
    planned_by uuid NOT NULL,
    -- A worker has it until then, by the database's real time; a worker that died gives it back by this alone.
    leased_until timestamptz,
    failures integer NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, key)
);
-- Workers take what is due in this order.
CREATE INDEX schedules_due ON schedules (due_at);

-- migrate: rollback
DROP TABLE schedules;
