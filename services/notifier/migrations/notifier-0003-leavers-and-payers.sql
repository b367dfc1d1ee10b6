-- What names somebody who is leaving passes to the manager; whose customers a payer pays for; audiences of one kind
-- depends: notifier-0002-delegates

-- migrate: apply
ALTER TABLE notices ADD COLUMN persons text[] NOT NULL DEFAULT '{}';
ALTER TABLE notices ADD COLUMN unit text;
-- Tells apart the audiences of one kind that a fact tells the same.
ALTER TABLE notices ADD COLUMN place integer NOT NULL DEFAULT 0;
UPDATE notices SET persons = told WHERE audience = 'persons';
ALTER TABLE notices DROP CONSTRAINT notices_pkey;
ALTER TABLE notices ADD PRIMARY KEY (thing, reason, template, audience, place);
DROP INDEX notices_open;
CREATE INDEX notices_open ON notices (thing, reason) WHERE open;

-- One row per settlement unit and customer that it pays for, folded from vetting's topic.
CREATE TABLE payer_links (
    unit text NOT NULL,
    customer text NOT NULL,
    PRIMARY KEY (unit, customer)
);
-- Numbers and names of settlement units, as people say them.
CREATE TABLE payers (
    unit text PRIMARY KEY,
    number text NOT NULL,
    name text NOT NULL
);

-- The ledger is filtered by 客户编号 too.
CREATE INDEX customers_number ON customers (number);

-- migrate: rollback
DROP INDEX customers_number;
DROP TABLE payers;
DROP TABLE payer_links;
DROP INDEX notices_open;
CREATE INDEX notices_open ON notices (thing, reason) WHERE open AND audience <> 'persons';
ALTER TABLE notices DROP CONSTRAINT notices_pkey;
ALTER TABLE notices ADD PRIMARY KEY (thing, reason, template, audience);
ALTER TABLE notices DROP COLUMN place;
ALTER TABLE notices DROP COLUMN unit;
ALTER TABLE notices DROP COLUMN persons;
