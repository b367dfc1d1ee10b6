-- Quarterly purchase volumes (R4.5.2) from vetting's facts, and the measures attached to them
-- depends: customer-registry-0005-timeline

-- migrate: apply

-- One row for every order, amendment, cancellation, shipment and return; sums are made when they are asked for.
CREATE TABLE purchase_facts (
    fact uuid PRIMARY KEY,
    customer text NOT NULL,
    order_id text NOT NULL,
    kind text NOT NULL,
    -- signed_on, cancelled_on, shipped_on or returned_on, and the quarter that it lies in, in Shanghai.
    day date NOT NULL,
    quarter text NOT NULL,
    -- The order's total of signed and amended; negative of cancelled and returned.
    value_fen bigint NOT NULL,
    -- Version in the order's stream.
    place bigint NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX purchase_facts_customer ON purchase_facts (customer, quarter);
CREATE INDEX purchase_facts_order ON purchase_facts (order_id, kind);

CREATE TABLE purchase_quantities (
    fact uuid NOT NULL,
    unit text NOT NULL,
    quantity numeric NOT NULL,
    PRIMARY KEY (fact, unit)
);

CREATE TABLE purchase_measures (
    measure text PRIMARY KEY,
    customer text NOT NULL,
    department text NOT NULL,
    quarter text NOT NULL,
    description text NOT NULL DEFAULT '',
    responsible text NOT NULL,
    due_on date NOT NULL,
    assigned_by text NOT NULL,
    mark text NOT NULL,
    result text,
    late boolean NOT NULL DEFAULT false,
    version bigint NOT NULL
);
CREATE INDEX purchase_measures_responsible ON purchase_measures (responsible, measure) WHERE mark = 'open';
CREATE INDEX purchase_measures_customer ON purchase_measures (customer, quarter);

-- migrate: rollback
DROP TABLE purchase_measures;
DROP TABLE purchase_quantities;
DROP TABLE purchase_facts;
