-- Customers that were merged into others, and whom their numbers lead to: folded from customer-registry's facts.
-- depends:
-- migrate: apply
CREATE TABLE lineage (
    customer text PRIMARY KEY,
    merged_into text NOT NULL,
    -- Through whoever was merged in turn.
    survivor text NOT NULL
);
-- Of names that no service has used for something else.
CREATE INDEX lineage_leads_to ON lineage (merged_into);
CREATE INDEX lineage_led_to ON lineage (survivor);

-- migrate: rollback
DROP TABLE lineage;
