-- Requests for special VAT invoices (F2), the register of invoices, red letters
-- depends: vetting-0001-qualifications

-- migrate: apply

-- KP000001 and on. A number that was drawn and not used is simply missing.
CREATE SEQUENCE invoice_request_numbers;

-- One row per request (F2). Ids are UUIDv7, so their order is that of their beginning.
CREATE TABLE invoice_requests (
    request text PRIMARY KEY,
    number text,
    customer text NOT NULL,
    order_id text NOT NULL,
    order_number text NOT NULL,
    status text NOT NULL,
    -- Since when it has been so.
    since timestamptz NOT NULL,
    gross_fen bigint NOT NULL DEFAULT 0,
    unit text NOT NULL,
    digest text NOT NULL,
    requested_by text NOT NULL,
    requested_on date,
    -- Which sides have passed it.
    passed text[] NOT NULL DEFAULT '{}',
    passed_on date,
    lapses_on date
);
CREATE INDEX invoice_requests_number ON invoice_requests (number);
CREATE INDEX invoice_requests_customer ON invoice_requests (customer, request);
-- Worklists: few are open at any time, whatever their number.
CREATE INDEX invoice_requests_status ON invoice_requests (status, request);
-- Whose open requests rest on a payer.
CREATE INDEX invoice_requests_unit ON invoice_requests (unit, status);

-- Who wrote it or passed which side, also where that no longer counts: they do nothing else with it (R3.2.3).
CREATE TABLE invoice_request_people (
    request text NOT NULL,
    person text NOT NULL,
    acted_as text NOT NULL,
    PRIMARY KEY (request, person, acted_as)
);

-- The register: every invoice, blue and red.
CREATE TABLE invoices (
    invoice text PRIMARY KEY,
    order_id text NOT NULL,
    order_number text,
    request text,
    request_number text,
    customer text NOT NULL,
    unit text NOT NULL,
    buyer_name text,
    buyer_identity text,
    kind text NOT NULL,
    special boolean NOT NULL,
    electronic boolean NOT NULL,
    code text,
    number text,
    digital_number text,
    issued_on date NOT NULL,
    net_fen bigint NOT NULL,
    tax_fen bigint NOT NULL,
    gross_fen bigint NOT NULL,
    -- What red letters that hold take back of it; not negative.
    taken_back_fen bigint NOT NULL DEFAULT 0,
    red_of text,
    status text NOT NULL,
    voided_on date,
    issued_by text NOT NULL,
    collector text,
    collected_by text,
    collected_on date,
    delivered_on date
);
-- The register's order.
CREATE INDEX invoices_issued ON invoices (issued_on, invoice);
CREATE INDEX invoices_customer ON invoices (customer, issued_on, invoice);
CREATE INDEX invoices_unit ON invoices (unit, issued_on, invoice);
CREATE INDEX invoices_order ON invoices (order_id);
-- F3 that nobody has signed; a small part of all.
CREATE INDEX invoices_uncollected ON invoices (collector) WHERE collected_on IS NULL AND status = 'issued';

CREATE TABLE invoice_lines (
    invoice text NOT NULL,
    place integer NOT NULL,
    item text NOT NULL,
    unit text NOT NULL,
    quantity numeric,
    rate_percent numeric NOT NULL,
    net_fen bigint NOT NULL,
    tax_fen bigint NOT NULL,
    gross_fen bigint NOT NULL,
    PRIMARY KEY (invoice, place)
);

-- One row per red letter that was asked for.
CREATE TABLE red_letters (
    red text PRIMARY KEY,
    invoice text NOT NULL,
    order_id text NOT NULL,
    customer text NOT NULL,
    kind text NOT NULL,
    gross_fen bigint NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    lapses_at timestamptz,
    confirmation text
);
CREATE INDEX red_letters_status ON red_letters (status, red);

-- Orders of which more is invoiced than may be: a red letter is due.
CREATE TABLE red_letters_due (
    order_id text PRIMARY KEY,
    order_number text,
    customer text NOT NULL,
    excess_fen bigint NOT NULL,
    since timestamptz NOT NULL
);

-- migrate: rollback
DROP TABLE red_letters_due;
DROP TABLE red_letters;
DROP TABLE invoice_lines;
DROP TABLE invoices;
DROP TABLE invoice_request_people;
DROP TABLE invoice_requests;
DROP SEQUENCE invoice_request_numbers;
