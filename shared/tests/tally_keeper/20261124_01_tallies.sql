-- The read models of the little service that the platform's own tests follow.
-- depends:
-- migrate: apply
CREATE TABLE totals (
    tally text PRIMARY KEY,
    customer text NOT NULL,
    amount bigint NOT NULL,
    facts integer NOT NULL CHECK (facts > 0),
    last_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX totals_by_amount ON totals (amount, tally);

CREATE TABLE customers (customer text NOT NULL, amount bigint NOT NULL, UNIQUE (customer));
COMMENT ON TABLE customers IS 'One row per customer.';

CREATE TABLE marks (tally text NOT NULL, place integer NOT NULL, mark text NOT NULL, PRIMARY KEY (tally, place));

-- migrate: rollback
DROP TABLE totals, customers, marks;
