-- The register of customers (F5), and the numbers that customers are given
-- depends:

-- migrate: apply

-- 客户编号: K000001 and on. A number that was drawn and not used is simply missing.
CREATE SEQUENCE customer_numbers;

CREATE TABLE register (
    customer text PRIMARY KEY,
    -- The digits of the number: the list's order.
    serial bigint NOT NULL UNIQUE,
    number text NOT NULL UNIQUE,
    name text NOT NULL,
    -- The name as kehu.text.company_key folds it, for searching.
    name_key text NOT NULL,
    kind text,
    nature text,
    affiliation text,
    identity_kind text,
    identity text,
    region text,
    department text NOT NULL,
    owner text NOT NULL,
    collaborators text[] NOT NULL DEFAULT '{}',
    status text NOT NULL,
    important_potential boolean NOT NULL DEFAULT false,
    drafted_at timestamptz NOT NULL,
    registered_at timestamptz,
    -- Of the customer's stream, for the ETag.
    version bigint NOT NULL
);

-- What a department or a salesperson sees, in the list's order.
CREATE INDEX register_department ON register (department, serial);
CREATE INDEX register_owner ON register (owner, serial);
CREATE INDEX register_collaborators ON register USING gin (collaborators);

-- migrate: rollback
DROP TABLE register;
DROP SEQUENCE customer_numbers;
