-- Keys of personal data, one per person and retention class, each wrapped by the master key, which never comes here.
-- A schema of its own: backed up apart from the log, for a shorter time than an erasure may take.
-- Run by kehu_owner at every migration; running it again changes nothing.
CREATE SCHEMA IF NOT EXISTS person_keys;

-- An erased key leaves its row behind, so that a late fact about the person finds no key and cannot make a new one.
CREATE TABLE IF NOT EXISTS person_keys.keys (
    person text NOT NULL CHECK (person <> ''),
    retention text NOT NULL CHECK (retention <> ''),
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased_at timestamptz,
    PRIMARY KEY (person, retention),
    CONSTRAINT keys_erased CHECK ((wrapped IS NULL) = (erased_at IS NOT NULL))
);

-- One dead row is enough for autovacuum: an erased key must not outlive its erasure in a dead row.
ALTER TABLE person_keys.keys SET (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- The keys of pairs (persons[i], retentions[i]): no row where there never was one, a NULL where it was erased.
-- Relies on the primary key.
CREATE OR REPLACE FUNCTION person_keys.fetch(persons text[], retentions text[])
RETURNS TABLE (person text, retention text, wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.person, k.retention, k.wrapped
    FROM unnest(persons, retentions) AS asked (person, retention)
    JOIN person_keys.keys AS k ON k.person = asked.person AND k.retention = asked.retention
$$;

-- Store the key of every pair that has none, and return what is there now: the first writer's key is everybody's.
CREATE OR REPLACE FUNCTION person_keys.create_missing(persons text[], retentions text[], candidates bytea[])
RETURNS TABLE (person text, retention text, wrapped bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- In one order for everybody: two calls with the same new persons wait for each other instead of deadlocking.
    INSERT INTO person_keys.keys AS k (person, retention, wrapped)
    SELECT asked.person, asked.retention, asked.candidate
    FROM unnest(persons, retentions, candidates) AS asked (person, retention, candidate)
    ORDER BY asked.person, asked.retention
    ON CONFLICT ON CONSTRAINT keys_pkey DO NOTHING;
    -- A statement of its own, whose snapshot sees what others committed meanwhile.
    RETURN QUERY SELECT found.person, found.retention, found.wrapped FROM person_keys.fetch(persons, retentions) AS found;
END
$$;

-- Destroy a key for good; true when there was one. Erasing what never was bars its creation.
CREATE OR REPLACE FUNCTION person_keys.erase(erased_person text, erased_retention text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    there_was_one boolean;
BEGIN
    INSERT INTO person_keys.keys (person, retention, wrapped, erased_at)
    VALUES (erased_person, erased_retention, NULL, clock_timestamp())
    ON CONFLICT ON CONSTRAINT keys_pkey DO NOTHING;
    UPDATE person_keys.keys SET wrapped = NULL, erased_at = clock_timestamp()
    WHERE person = erased_person AND retention = erased_retention AND wrapped IS NOT NULL;
    there_was_one := FOUND;
    RETURN there_was_one;
END
$$;

REVOKE ALL ON SCHEMA person_keys FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA person_keys FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA person_keys FROM PUBLIC;
GRANT USAGE ON SCHEMA person_keys TO kehu_service;
GRANT EXECUTE ON FUNCTION person_keys.fetch, person_keys.create_missing, person_keys.erase TO kehu_service;
