-- Steps of vetting's chains that wait for a signature: whose departure would leave them to nobody
-- depends: customer-registry-0012-departures

-- migrate: apply

CREATE TABLE waiting_steps (
    thing text NOT NULL,
    step text NOT NULL,
    customer text,
    department text NOT NULL DEFAULT '', -- empty: whoever holds the role anywhere
    roles text[] NOT NULL,
    barred text[] NOT NULL,
    PRIMARY KEY (thing, step)
);

-- Open work of leaving people, and whose it is now.
CREATE TABLE moved_work (
    departure text NOT NULL,
    kind text NOT NULL,
    thing text NOT NULL,
    number text NOT NULL,
    customer text,
    leaver text NOT NULL,
    recipient text NOT NULL,
    remark text NOT NULL,
    moved_by text NOT NULL,
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (departure, kind, thing)
);
CREATE INDEX moved_work_recipient ON moved_work (recipient, departure, kind, thing);

-- migrate: rollback
DROP TABLE moved_work;
DROP TABLE waiting_steps;
