-- Dossiers that resemble each other, what waits for whom, and customers that were merged or closed
-- depends: customer-registry-0001-register

-- migrate: apply

-- The survivor, where a dossier was merged into another one; no fact before this file says so.
ALTER TABLE register ADD COLUMN merged_into text;

-- Under which keys dossiers meet. Names and addresses stand as kehu.text and the feature fold them.
CREATE TABLE dossier_keys (
    customer text PRIMARY KEY,
    name_key text NOT NULL,
    address_key text
);
CREATE INDEX dossier_keys_name ON dossier_keys (name_key);
CREATE INDEX dossier_keys_address ON dossier_keys (address_key) WHERE address_key IS NOT NULL;

-- Phones as a blind index (HMAC), so that the same one is found and none can be read.
CREATE TABLE dossier_phones (
    customer text NOT NULL,
    phone_personal text NOT NULL,
    PRIMARY KEY (phone_personal, customer)
);
CREATE INDEX dossier_phones_customer ON dossier_phones (customer);

-- What waits for somebody to pass it. Ids of people who must not, in barred.
CREATE TABLE dossier_tasks (
    task text PRIMARY KEY,
    kind text NOT NULL,
    customer text NOT NULL,
    department text NOT NULL,
    fields text[] NOT NULL DEFAULT '{}',
    barred text[] NOT NULL DEFAULT '{}',
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL
);
CREATE INDEX dossier_tasks_department ON dossier_tasks (department, asked_at, task);
CREATE INDEX dossier_tasks_customer ON dossier_tasks (customer);

-- migrate: rollback
DROP TABLE dossier_tasks;
DROP TABLE dossier_phones;
DROP TABLE dossier_keys;
ALTER TABLE register DROP COLUMN merged_into;
