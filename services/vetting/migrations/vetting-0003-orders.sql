-- Prepaid orders, their batches, shipments and returns; receipts and what they are put to; the ledger of both
-- depends: vetting-0002-standing

-- migrate: apply

CREATE SEQUENCE order_numbers;
CREATE SEQUENCE receipt_numbers;
CREATE SEQUENCE shipment_numbers;
CREATE SEQUENCE return_numbers;

-- One row per order, folded from its stream. `serial` is the number without its letters: it gives the order of lists.
CREATE TABLE orders (
    order_id text PRIMARY KEY,
    serial bigint NOT NULL,
    number text NOT NULL,
    reference text,
    source text,
    customer text NOT NULL,
    unit text NOT NULL,
    signed_on date NOT NULL,
    amount_fen bigint NOT NULL,
    allocated_fen bigint NOT NULL DEFAULT 0,
    shipped_fen bigint NOT NULL DEFAULT 0,
    returned_fen bigint NOT NULL DEFAULT 0,
    credited_fen bigint NOT NULL DEFAULT 0,
    cancelled_on date,
    stopped boolean NOT NULL DEFAULT false,
    -- Which side has proposed to stop or resume shipping, and by whom, while the other one has to answer.
    proposed_side text,
    proposed_by text
);
CREATE UNIQUE INDEX orders_serial ON orders (serial);
CREATE INDEX orders_number ON orders (number);
CREATE INDEX orders_reference ON orders (reference) WHERE reference IS NOT NULL;
CREATE INDEX orders_customer ON orders (customer, serial);

-- One row per batch: waiting (for money), released, shipped, cancelled.
CREATE TABLE order_batches (
    order_id text NOT NULL,
    batch integer NOT NULL,
    amount_fen bigint NOT NULL,
    shipped_fen bigint NOT NULL DEFAULT 0,
    due_on date,
    status text NOT NULL,
    -- Since when it has been so.
    since timestamptz NOT NULL,
    lines jsonb NOT NULL,
    PRIMARY KEY (order_id, batch)
);
-- Worklists: few wait or are released at any time, whatever the number of all.
CREATE INDEX order_batches_status ON order_batches (status, order_id, batch);

CREATE TABLE shipments (
    shipment text PRIMARY KEY,
    serial bigint NOT NULL,
    number text NOT NULL,
    reference text,
    source text,
    order_id text NOT NULL,
    customer text NOT NULL,
    batch integer NOT NULL,
    shipped_on date NOT NULL,
    value_fen bigint NOT NULL,
    returned_fen bigint NOT NULL DEFAULT 0,
    receipts text[] NOT NULL,
    lines jsonb NOT NULL
);
CREATE UNIQUE INDEX shipments_serial ON shipments (serial);
CREATE INDEX shipments_number ON shipments (number);
CREATE INDEX shipments_reference ON shipments (reference) WHERE reference IS NOT NULL;
CREATE INDEX shipments_order ON shipments (order_id, serial);

CREATE TABLE receipts (
    receipt text PRIMARY KEY,
    serial bigint NOT NULL,
    number text NOT NULL,
    status text NOT NULL,
    unit text,
    payer text NOT NULL,
    payer_name text,
    bank_reference text NOT NULL,
    amount_fen bigint NOT NULL,
    received_on date NOT NULL,
    entered_by text,
    gone_fen bigint NOT NULL DEFAULT 0,
    allocated_fen bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX receipts_serial ON receipts (serial);
CREATE INDEX receipts_number ON receipts (number);
CREATE INDEX receipts_bank_reference ON receipts (bank_reference);
CREATE INDEX receipts_unit ON receipts (unit, serial);
-- What finance has to do: confirm, identify, put to orders.
CREATE INDEX receipts_open ON receipts (serial)
    WHERE status = 'entered' OR (status = 'confirmed' AND amount_fen - gone_fen - allocated_fen > 0);

-- Everything that moved an order's or a payer's account, one row per fact: account statements as of any date.
CREATE TABLE trade_ledger (
    fact uuid PRIMARY KEY,
    day date NOT NULL,
    kind text NOT NULL,
    customer text,
    unit text,
    order_id text,
    receipt text,
    amount_fen bigint NOT NULL,
    text text NOT NULL DEFAULT ''
);
CREATE INDEX trade_ledger_customer ON trade_ledger (customer, day, fact);
CREATE INDEX trade_ledger_order ON trade_ledger (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX trade_ledger_receipt ON trade_ledger (receipt) WHERE receipt IS NOT NULL;
CREATE INDEX trade_ledger_unit ON trade_ledger (unit, day, fact);

-- migrate: rollback
DROP TABLE trade_ledger;
DROP TABLE receipts;
DROP TABLE shipments;
DROP TABLE order_batches;
DROP TABLE orders;
DROP SEQUENCE return_numbers;
DROP SEQUENCE shipment_numbers;
DROP SEQUENCE receipt_numbers;
DROP SEQUENCE order_numbers;
