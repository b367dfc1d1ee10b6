-- Quarterly verification (R4.5.1): what is due of whom, and the rounds through the departments
-- depends: customer-registry-0001-register

-- migrate: apply

CREATE TABLE verifications (
    customer text NOT NULL,
    -- Such as 2026-Q4.
    quarter text NOT NULL,
    department text NOT NULL,
    due_on date NOT NULL,
    -- Nobody while none of the department may: its manager is to appoint somebody.
    verifier text,
    appointed_by text,
    mark text NOT NULL,
    outcome text,
    method text,
    verified_on date,
    because text,
    attempts integer NOT NULL DEFAULT 0,
    reminded_at timestamptz,
    -- Of the customer's verifications, for the ETag.
    version bigint NOT NULL,
    PRIMARY KEY (quarter, customer)
);

-- One customer's, for planning and for its dossier.
CREATE UNIQUE INDEX verifications_customer ON verifications (customer, quarter);
-- Worklists, and who needs another verifier.
CREATE INDEX verifications_verifier ON verifications (verifier, quarter, customer) WHERE mark = 'open';
CREATE INDEX verifications_open ON verifications (department, quarter, customer) WHERE mark IN ('open', 'unreachable');

CREATE TABLE verification_rounds (
    department text NOT NULL,
    quarter text NOT NULL,
    opened_at timestamptz NOT NULL,
    -- Where its opening stands in the log.
    tx bigint NOT NULL,
    place bigint NOT NULL,
    planned_at timestamptz,
    PRIMARY KEY (department, quarter)
);
CREATE INDEX verification_rounds_open ON verification_rounds (quarter, department) WHERE planned_at IS NULL;

-- migrate: rollback
DROP TABLE verification_rounds;
DROP TABLE verifications;
