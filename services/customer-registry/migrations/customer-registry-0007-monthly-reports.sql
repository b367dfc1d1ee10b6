-- Monthly department reports (R5.3.5): what the months hold, and which department has reported which
-- depends: customer-registry-0006-purchases

-- migrate: apply

CREATE TABLE monthly_volumes (
    customer text NOT NULL,
    month text NOT NULL,
    amount_fen bigint NOT NULL,
    PRIMARY KEY (customer, month)
);

CREATE TABLE monthly_movements (
    fact uuid PRIMARY KEY,
    customer text NOT NULL,
    month text NOT NULL,
    -- new, changed or lost
    movement text NOT NULL
);
CREATE INDEX monthly_movements_customer ON monthly_movements (customer, month);

CREATE TABLE monthly_taken_over (
    customer text PRIMARY KEY,
    since date NOT NULL
);

CREATE TABLE monthly_activations (
    customer text PRIMARY KEY,
    since date NOT NULL
);

CREATE TABLE monthly_reports (
    department text NOT NULL,
    month text NOT NULL,
    closes_at timestamptz,
    submitted_at timestamptz,
    submitted_by text,
    on_behalf_of text,
    late boolean NOT NULL DEFAULT false,
    nil boolean NOT NULL DEFAULT false,
    missed boolean NOT NULL DEFAULT false,
    corrections integer NOT NULL DEFAULT 0,
    PRIMARY KEY (month, department)
);

-- migrate: rollback
DROP TABLE monthly_reports;
DROP TABLE monthly_activations;
DROP TABLE monthly_taken_over;
DROP TABLE monthly_movements;
DROP TABLE monthly_volumes;
