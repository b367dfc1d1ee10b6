-- One timeline per customer over all services (R4.4.b): a table for each topic, and the links of merges
-- depends: customer-registry-0001-register

-- migrate: apply

-- Which customers were merged into which, from when until when; `fact` is the merge.
CREATE TABLE lineage_links (
    fact uuid PRIMARY KEY,
    merged text NOT NULL,
    survivor text NOT NULL,
    merged_at timestamptz NOT NULL,
    undone_at timestamptz
);
CREATE INDEX lineage_survivor ON lineage_links (survivor);
CREATE INDEX lineage_merged ON lineage_links (merged);

CREATE TABLE timeline_registry (
    fact uuid PRIMARY KEY,
    customer text NOT NULL,
    kind text NOT NULL,
    type text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor text NOT NULL,
    -- One sentence, with nothing personal in it.
    zh text NOT NULL,
    en text NOT NULL
);
CREATE INDEX timeline_registry_customer ON timeline_registry (customer, occurred_at, fact);
CREATE TABLE timeline_vetting (LIKE timeline_registry INCLUDING INDEXES);
CREATE TABLE timeline_grading (LIKE timeline_registry INCLUDING INDEXES);
CREATE TABLE timeline_engagement (LIKE timeline_registry INCLUDING INDEXES);
CREATE TABLE timeline_notifier (LIKE timeline_registry INCLUDING INDEXES);

-- migrate: rollback
DROP TABLE timeline_notifier;
DROP TABLE timeline_engagement;
DROP TABLE timeline_grading;
DROP TABLE timeline_vetting;
DROP TABLE timeline_registry;
DROP TABLE lineage_links;
