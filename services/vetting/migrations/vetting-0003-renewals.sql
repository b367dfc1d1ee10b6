-- Renewed papers on their short path
-- depends: vetting-0002-standing

-- migrate: apply

-- One row per renewal; `people` had a hand in it and sign none of its other steps.
CREATE TABLE renewals (
    renewal text PRIMARY KEY,
    customer text NOT NULL,
    status text NOT NULL,
    step text,
    since timestamptz NOT NULL,
    documents text[] NOT NULL,
    unit text,
    submitted_by text NOT NULL,
    people text[] NOT NULL
);
CREATE INDEX renewals_customer ON renewals (customer, renewal);
CREATE INDEX renewals_status ON renewals (status, step, renewal);

-- migrate: rollback
DROP TABLE renewals;
