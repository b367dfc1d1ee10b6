-- What the consumer of the pair folds from the maker's topic
-- depends:
-- migrate: apply
CREATE TABLE things (
    thing text PRIMARY KEY,
    made integer NOT NULL,
    last_number integer NOT NULL CONSTRAINT not_too_large CHECK (last_number < 1000000),
    -- Every number in the order in which it was applied.
    numbers integer[] NOT NULL
);
-- migrate: rollback
DROP TABLE things;
