-- Settlement units, and how customers stand: active, agreements, payers, papers in force
-- depends: vetting-0001-qualifications

-- migrate: apply

CREATE SEQUENCE settlement_unit_numbers;

-- One row per payer; `bars` are the causes for which it may pay for no new orders.
CREATE TABLE settlement_units (
    unit text PRIMARY KEY,
    number text NOT NULL,
    name text NOT NULL,
    identity_kind text NOT NULL,
    identity text NOT NULL,
    bars text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX settlement_units_number ON settlement_units (number);
CREATE INDEX settlement_units_identity ON settlement_units (identity);

-- The payer's own papers that are in force.
CREATE TABLE settlement_unit_papers (
    unit text NOT NULL,
    type text NOT NULL,
    issued_on date,
    valid_until date,
    PRIMARY KEY (unit, type)
);

-- One row per customer that vetting has passed something of; `bars` as above.
CREATE TABLE standings (
    customer text PRIMARY KEY,
    active_since date,
    qualification text,
    agreement_from date,
    agreement_until date,
    bars text[] NOT NULL DEFAULT '{}',
    barred_since timestamptz
);

-- Who pays for whom.
CREATE TABLE payers (
    customer text NOT NULL,
    unit text NOT NULL,
    is_default boolean NOT NULL,
    agreement_digest text,
    signed_on date,
    valid_until date,
    PRIMARY KEY (customer, unit)
);
CREATE INDEX payers_unit ON payers (unit);

-- The customer's papers that are in force.
CREATE TABLE papers_in_force (
    customer text NOT NULL,
    type text NOT NULL,
    issued_on date,
    valid_until date,
    file_digest text NOT NULL,
    PRIMARY KEY (customer, type)
);

-- migrate: rollback
DROP TABLE papers_in_force;
DROP TABLE payers;
DROP TABLE standings;
DROP TABLE settlement_unit_papers;
DROP TABLE settlement_units;
DROP SEQUENCE settlement_unit_numbers;
