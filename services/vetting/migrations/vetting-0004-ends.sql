-- What ends when: papers, agreements, links with payers
-- depends: vetting-0003-renewals

-- migrate: apply

-- `what`: a kind of paper, ``agreement``, or ``payer:<unit>``.
CREATE TABLE ends (
    customer text NOT NULL,
    what text NOT NULL,
    last_day date NOT NULL,
    PRIMARY KEY (customer, what)
);
CREATE INDEX ends_last_day ON ends (last_day);

CREATE TABLE settlement_unit_ends (
    unit text NOT NULL,
    document text NOT NULL,
    last_day date NOT NULL,
    PRIMARY KEY (unit, document)
);

-- Few customers are suspended at any time.
CREATE INDEX standings_barred ON standings (customer) WHERE cardinality(bars) > 0;

-- migrate: rollback
DROP INDEX standings_barred;
DROP TABLE settlement_unit_ends;
DROP TABLE ends;
