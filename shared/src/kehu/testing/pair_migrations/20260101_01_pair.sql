-- What the consumer of the pair folds from the maker's topic
-- depends:
-- migrate: apply
CREATE TABLE things (
    thing text PRIMARY KEY,
    made integer NOT NULL,
    last_number integer NOT NULL,
    -- Every number in the order in which it was applied. What fails on its own, wherever in a page it comes.
    numbers integer[] NOT NULL CONSTRAINT not_too_large CHECK (1000000 > ALL (numbers))
);
-- migrate: rollback
DROP TABLE things;
