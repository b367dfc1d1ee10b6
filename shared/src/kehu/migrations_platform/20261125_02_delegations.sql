-- Who stands in for whom (委托), and departments that are no more: folded from customer-registry's facts.
-- depends:
-- migrate: apply
ALTER TABLE departments ADD COLUMN closed boolean NOT NULL DEFAULT false;

CREATE TABLE staff_delegations (
    delegation text PRIMARY KEY,
    -- The number that people say: WT000001.
    number text,
    principal text NOT NULL,
    delegate text NOT NULL,
    steps text[] NOT NULL,
    -- In Shanghai, both included.
    first_day date NOT NULL,
    last_day date NOT NULL,
    reason text NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    ended_by text,
    ended_at timestamptz
);
-- For whom somebody acts, asked at every request of theirs.
CREATE INDEX staff_delegations_delegate ON staff_delegations (delegate, last_day);
CREATE INDEX staff_delegations_principal ON staff_delegations (principal, last_day);

-- migrate: rollback
DROP TABLE staff_delegations;
ALTER TABLE departments DROP COLUMN closed;
