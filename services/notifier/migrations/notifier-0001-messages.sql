-- Customers and contacts, what somebody is to be told, the ledger of messages, and the sandbox
-- depends:

-- migrate: apply

-- One row per customer whose dossier was ever submitted, folded from the registry's topic.
CREATE TABLE customers (
    customer text PRIMARY KEY,
    number text NOT NULL,
    name text NOT NULL,
    department text NOT NULL,
    owner text NOT NULL,
    collaborators text[] NOT NULL
);
-- Salespersons see what was sent to their customers.
CREATE INDEX customers_owner ON customers (owner);

-- Contacts of customers; `place` is their place in the dossier.
CREATE TABLE customer_contacts (
    customer text NOT NULL,
    place integer NOT NULL,
    person text NOT NULL,
    main boolean NOT NULL,
    name_personal text NOT NULL,
    phone_personal text NOT NULL,
    PRIMARY KEY (customer, place)
);

-- One row per need to tell an audience of something, folded from the service's own log.
CREATE TABLE notices (
    thing text NOT NULL,
    reason uuid NOT NULL,
    template text NOT NULL,
    audience text NOT NULL,
    customer text NOT NULL,
    department text,
    role text,
    stand_in text,
    barred text[] NOT NULL,
    told text[] NOT NULL DEFAULT '{}',
    waiting boolean NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    -- Whether whoever turns up now is still to be told.
    open boolean NOT NULL DEFAULT true,
    correlation uuid NOT NULL,
    PRIMARY KEY (thing, reason, template, audience)
) WITH (fillfactor = 80); -- each is updated as its recipients are addressed: room for heap-only updates
CREATE INDEX notices_open ON notices (thing, reason) WHERE open AND audience <> 'persons';

-- One row per message, folded from the service's own log. No text, no name, no address.
CREATE TABLE ledger (
    message text PRIMARY KEY,
    requested_at timestamptz NOT NULL,
    reason uuid NOT NULL,
    thing text NOT NULL,
    template text NOT NULL,
    template_version integer NOT NULL,
    recipient text NOT NULL,
    recipient_kind text NOT NULL,
    customer text,
    department text,
    channel text NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL,
    -- Why it is held, suppressed, unknown or failed: a code.
    detail text,
    -- Until when it is held.
    held_until timestamptz,
    -- When its provider is to be asked what has become of it.
    look_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    provider_reference text,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 70); -- a message goes through some four states: room for heap-only updates
-- Lists are the latest first; most people see those to themselves.
CREATE INDEX ledger_requested ON ledger (requested_at, message);
CREATE INDEX ledger_recipient ON ledger (recipient, requested_at, message);
CREATE INDEX ledger_customer ON ledger (customer, requested_at, message);
CREATE INDEX ledger_department ON ledger (department, requested_at, message);
CREATE INDEX ledger_reason ON ledger (reason);
-- What workers look for.
CREATE INDEX ledger_in_hand ON ledger (requested_at) WHERE state IN ('queued', 'sending');
CREATE INDEX ledger_look_at ON ledger (look_at) WHERE look_at IS NOT NULL;

-- Which worker has a message in hand, until when by the database's real time; derived from nothing, and may be emptied.
CREATE TABLE sending_leases (
    message text PRIMARY KEY,
    leased_until timestamptz NOT NULL
);

-- What the sandbox channel was given instead of a provider. It never leaves this table.
CREATE TABLE sandbox (
    message text PRIMARY KEY,
    person text NOT NULL,
    address_personal text NOT NULL,
    text_personal text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sandbox_person ON sandbox (person);

-- migrate: rollback
DROP TABLE sandbox;
DROP TABLE sending_leases;
DROP TABLE ledger;
DROP TABLE notices;
DROP TABLE customer_contacts;
DROP TABLE customers;
