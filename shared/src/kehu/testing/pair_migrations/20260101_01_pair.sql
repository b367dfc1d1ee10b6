-- What the consumer of the pair folds from the maker's topic
-- depends:
-- migrate: apply
CREATE TABLE things (
    thing text PRIMARY KEY,
    made integer NOT NULL,
    last_number integer NOT NULL,
    -- Every number in the order in which it was applied.
    numbers integer[] NOT NULL
);
-- migrate: rollback
DROP TABLE things;
