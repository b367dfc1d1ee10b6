-- Departures, the handover of each customer, what else names a leaving person, and what was told to superiors
-- depends: customer-registry-0001-register

-- migrate: apply

-- LZ000001 and on. A number that was drawn and not used is simply missing.
CREATE SEQUENCE departure_numbers;

CREATE TABLE departures (
    departure text PRIMARY KEY,
    number text NOT NULL,
    person text NOT NULL,
    department text,
    last_day date NOT NULL,
    started_by text,
    started_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'running', -- running, cancelled, cleared
    ended_at timestamptz -- of access
);
CREATE INDEX departures_person ON departures (person);

CREATE TABLE handovers (
    customer text NOT NULL,
    departure text NOT NULL,
    leaver text NOT NULL DEFAULT '',
    successor text,
    department text NOT NULL DEFAULT '',
    collaborator boolean NOT NULL DEFAULT false,
    due_on date,
    accepted_by text,
    accepted_at timestamptz,
    notice_due boolean NOT NULL DEFAULT false,
    notes boolean NOT NULL DEFAULT false,
    attempts integer NOT NULL DEFAULT 0,
    proof text,
    evidence text,
    proved_by text,
    proved_at timestamptz,
    PRIMARY KEY (customer, departure)
);
CREATE INDEX handovers_departure ON handovers (departure, customer);
-- What waits for somebody's answer.
CREATE INDEX handovers_asked ON handovers (successor) WHERE accepted_by IS NULL AND successor IS NOT NULL;

-- Things of other features and services that name people until they are done: by source, since a view has one.
CREATE TABLE named_here (
    kind text NOT NULL,
    thing text NOT NULL,
    customer text,
    people text[] NOT NULL,
    about text NOT NULL DEFAULT '',
    PRIMARY KEY (kind, thing)
);
CREATE INDEX named_here_people ON named_here USING gin (people);
CREATE TABLE named_visits (LIKE named_here INCLUDING DEFAULTS, PRIMARY KEY (kind, thing));
CREATE INDEX named_visits_people ON named_visits USING gin (people);
CREATE TABLE named_papers (LIKE named_here INCLUDING DEFAULTS, PRIMARY KEY (kind, thing));
CREATE INDEX named_papers_people ON named_papers USING gin (people);

CREATE TABLE escalations (
    thing text NOT NULL,
    step text NOT NULL,
    customer text,
    department text,
    waiting_for text[] NOT NULL,
    superior text NOT NULL,
    since date NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (thing, step)
);

-- migrate: rollback
DROP TABLE escalations;
DROP TABLE named_papers;
DROP TABLE named_visits;
DROP TABLE named_here;
DROP TABLE handovers;
DROP TABLE departures;
DROP SEQUENCE departure_numbers;
