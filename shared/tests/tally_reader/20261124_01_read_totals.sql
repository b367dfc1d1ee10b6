-- The read model of a second little service, folded from the topic of the first.
-- depends:
-- migrate: apply
CREATE TABLE read_totals (tally text PRIMARY KEY, amount bigint NOT NULL, facts integer NOT NULL);

-- migrate: rollback
DROP TABLE read_totals;
