-- Imports of existing dossiers at go-live
-- depends: customer-registry-0002-dossiers

-- migrate: apply

-- DR000001 and on, as people call an import.
CREATE SEQUENCE import_numbers;

CREATE TABLE dossier_imports (
    upload text PRIMARY KEY,
    number text NOT NULL,
    department text NOT NULL,
    status text NOT NULL,
    uploaded_by text NOT NULL,
    uploaded_at timestamptz NOT NULL,
    confirmed_by text,
    -- Who own customers in it, and so confirm nothing.
    owners text[] NOT NULL,
    total integer,
    done integer NOT NULL DEFAULT 0,
    taken integer NOT NULL DEFAULT 0,
    skipped integer NOT NULL DEFAULT 0,
    problems integer NOT NULL DEFAULT 0
);
CREATE INDEX dossier_imports_waiting ON dossier_imports (upload) WHERE status IN ('uploaded', 'running');

-- What an import is compared with.
CREATE INDEX register_identity ON register (identity) WHERE identity IS NOT NULL;
CREATE INDEX register_name_key ON register (name_key);

-- migrate: rollback
DROP INDEX register_name_key;
DROP INDEX register_identity;
DROP TABLE dossier_imports;
DROP SEQUENCE import_numbers;
