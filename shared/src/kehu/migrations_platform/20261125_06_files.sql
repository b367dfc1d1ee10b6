-- Files that people upload, by the SHA-256 of their content; encrypted, in chunks (see kehu.files).
-- depends:
-- migrate: apply
CREATE TABLE files (
    digest text PRIMARY KEY,
    -- Under which its chunks stand and its key is kept; two uploads of the same bytes at once make two, one of which wins.
    copy uuid NOT NULL UNIQUE,
    type text NOT NULL,
    size bigint NOT NULL,
    -- When somebody last uploaded or named it: what nothing refers to is swept some time after.
    kept_at timestamptz NOT NULL,
    erased_at timestamptz
);

-- Who uploaded it, and what they called it: a file's name often has a person's in it.
CREATE TABLE file_uploads (
    digest text NOT NULL,
    person text NOT NULL,
    name_personal text NOT NULL,
    uploaded_at timestamptz NOT NULL,
    PRIMARY KEY (digest, person)
);

CREATE TABLE file_chunks (
    copy uuid NOT NULL,
    number integer NOT NULL,
    sealed bytea NOT NULL,
    -- By the database's real time: chunks of an upload that was never finished are swept after a day.
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (copy, number)
);
-- Ciphertext does not shrink: trying to would only cost time.
ALTER TABLE file_chunks ALTER COLUMN sealed SET STORAGE EXTERNAL;

-- Which streams name a file in their facts; `key` is their Kafka key, a customer where they are about one.
CREATE TABLE file_references (
    digest text NOT NULL,
    stream text NOT NULL,
    key text NOT NULL,
    PRIMARY KEY (digest, stream)
);

-- migrate: rollback
DROP TABLE file_references;
DROP TABLE file_chunks;
DROP TABLE file_uploads;
DROP TABLE files;
