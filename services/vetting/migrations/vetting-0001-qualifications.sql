-- Customers as vetting knows them, their qualifications and credit incidents
-- depends:

-- migrate: apply

-- One row per customer that the registry has told of, folded from its customer_file stream.
CREATE TABLE customer_files (
    customer text PRIMARY KEY,
    number text,
    name text,
    kind text,
    department text,
    owner text,
    collaborators text[] NOT NULL DEFAULT '{}'
);
-- The number that people say.
CREATE INDEX customer_files_number ON customer_files (number);

-- One row per qualification (F1). Ids are UUIDv7, so their order is that of their beginning.
CREATE TABLE qualifications (
    qualification text PRIMARY KEY,
    customer text NOT NULL,
    status text NOT NULL,
    -- Whose turn it is while it is in review or approved.
    step text,
    -- Since when it has been so.
    since timestamptz NOT NULL,
    bundle integer,
    digest text,
    drafted_by text NOT NULL,
    submitted_by text,
    approved_on date,
    activated_on date
);
CREATE INDEX qualifications_customer ON qualifications (customer, qualification);
-- Worklists: few are in review at any time, whatever their number.
CREATE INDEX qualifications_status ON qualifications (status, step, qualification);

-- Who wrote or signed what, also where it was voided: they sign no other step of it (R3.1.3).
CREATE TABLE qualification_people (
    qualification text NOT NULL,
    person text NOT NULL,
    acted_as text NOT NULL,
    PRIMARY KEY (qualification, person, acted_as)
);

CREATE TABLE credit_incidents (
    incident text PRIMARY KEY,
    customer text NOT NULL,
    status text NOT NULL,
    occurred_on date NOT NULL,
    resolved_on date,
    amount_fen bigint,
    description text NOT NULL,
    recorded_by text NOT NULL
);
CREATE INDEX credit_incidents_customer ON credit_incidents (customer, incident);

-- migrate: rollback
DROP TABLE credit_incidents;
DROP TABLE qualification_people;
DROP TABLE qualifications;
DROP TABLE customer_files;
