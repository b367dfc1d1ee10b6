-- The register of visits, and the customers that they go to
-- depends:

-- migrate: apply

-- What other services have said of a customer; columns are null until they have.
CREATE TABLE visit_customers (
    customer text PRIMARY KEY,
    number text,
    name text,
    department text,
    owner text,
    collaborators text[] NOT NULL DEFAULT '{}',
    grade text
);

-- One row per visit, planned (F6) or made without a plan.
CREATE TABLE visits (
    visit text PRIMARY KEY,
    customer text NOT NULL,
    state text NOT NULL,
    -- The day it was made on, else the day it is planned for: the list's order.
    day date NOT NULL,
    planned boolean NOT NULL,
    planned_on date,
    visitors text[] NOT NULL DEFAULT '{}',
    purpose text,
    -- The customer's official grade when it was planned.
    grade text,
    planned_by text,
    record_due_at timestamptz,
    visited_at timestamptz,
    attendees text[] NOT NULL DEFAULT '{}',
    -- Everybody of ours who was to go, or went.
    people text[] NOT NULL,
    -- Planned: whether it is to be the first one (R6.2.1b). Made: whether it counts as that.
    first_visit boolean NOT NULL,
    late boolean NOT NULL DEFAULT false,
    deviations text[] NOT NULL DEFAULT '{}',
    recorded_by text,
    -- Why it was not planned, or why it was cancelled.
    reason text
);
CREATE INDEX visits_day ON visits (day, visit);
CREATE INDEX visits_customer ON visits (customer, day, visit);
CREATE INDEX visits_open ON visits (day, visit) WHERE state IN ('planned', 'overdue');
CREATE INDEX visits_unplanned ON visits (day, visit) WHERE NOT planned;
CREATE INDEX visits_people ON visits USING gin (people);

-- migrate: rollback
DROP TABLE visits;
DROP TABLE visit_customers;
