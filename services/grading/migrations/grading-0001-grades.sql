-- The grades of all customers, and the watch list
-- depends:

-- migrate: apply

-- One row per registered customer, folded from its grade stream.
CREATE TABLE grades (
    customer text PRIMARY KEY,
    number text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    affiliation text,
    department text NOT NULL,
    owner text NOT NULL,
    collaborators text[] NOT NULL,
    -- The grade that counts, and how it was assigned; null for the moment between two facts of one decision.
    official text,
    basis text,
    year integer,
    -- What the rules give now.
    indicative text,
    clause text,
    provisional boolean,
    policy_version integer,
    drifting boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80); -- a row is updated as often as its customer's facts come: room for heap-only updates
-- Lists are paged by the number that people say.
CREATE INDEX grades_number ON grades (number, customer);
CREATE INDEX grades_department ON grades (department, number, customer);
CREATE INDEX grades_owner ON grades (owner);
-- Whose grade has not been looked at under the policy in force.
CREATE INDEX grades_policy_version ON grades (policy_version, customer);

-- Why a customer is on the watch list, and since when; several reasons are several rows.
CREATE TABLE watch_list (
    customer text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (customer, reason)
);

-- migrate: rollback
DROP TABLE watch_list;
DROP TABLE grades;
