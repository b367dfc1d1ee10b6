-- Appends to many streams at once, each with its own outcome; the first write of its transaction.
--
-- a_*: one entry per append. expected: NULL any, 0 no such stream yet, n the version it must stand at.
-- f_*: one entry per fact, in order; f_append says (from 1) which append it belongs to.
-- c_*: one entry per claim (taken, or given back where c_release).  i_*: inbox moves of the whole call, from -> to.
--
-- Locks come first, and the transaction's id only after them: so whoever holds a stream's lock later also has the
-- later tx, and the log's order (tx, position) never turns a stream's versions round.
CREATE OR REPLACE FUNCTION event_store.append(
    a_stream text[], a_expected bigint[], a_key text[],
    f_append integer[], f_id uuid[], f_type text[], f_schema integer[], f_data text[], f_metadata text[],
    f_actor text[], f_correlation uuid[], f_occurred timestamptz[], f_published boolean[],
    c_append integer[], c_scope text[], c_value text[], c_holder text[], c_digest text[], c_answer text[],
    c_release boolean[],
    i_consumer text[], i_stream text[], i_from bigint[], i_to bigint[]
) RETURNS TABLE (append integer, outcome text, version bigint, tx bigint, "position" bigint, detail json)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, event_store
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    own_service text := event_store.service_of_session();
    locks bigint[];
    one_lock bigint;
    found_problem text;
    found_from bigint;
    found_to bigint;
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'event_store.append must be the first write of its transaction.'
            USING ERRCODE = 'KE001', HINT = 'Write views and schedules after it; take no row locks before it.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'event_store.append needs READ COMMITTED: heads are compared after its locks are held.'
            USING ERRCODE = 'KE001';
    END IF;
    IF cardinality(a_stream) > 500 THEN
        RAISE EXCEPTION 'At most 500 streams in one call, got %.', cardinality(a_stream) USING ERRCODE = 'KE002';
    END IF;
    SELECT s INTO found_problem FROM unnest(a_stream) s
        WHERE NOT EXISTS (SELECT FROM event_store.categories c
                          WHERE c.category = split_part(s, '-', 1) AND c.service = own_service) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Stream % is not of % (role %).', found_problem, own_service, session_user
            USING ERRCODE = 'KE003', HINT = 'A service appends to its own categories only.';
    END IF;
    SELECT octet_length(d) INTO found_from FROM unnest(f_data, f_metadata) AS f (d, m)
        WHERE octet_length(d) + octet_length(m) > 262144 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'A fact of % bytes is over the limit of 256 KiB.', found_from USING ERRCODE = 'KE004';
    END IF;

    SELECT array_agg(DISTINCT h ORDER BY h) INTO locks FROM (
        SELECT hashtextextended('stream ' || s, 0) AS h FROM unnest(a_stream) s
        UNION ALL
        SELECT hashtextextended('claim ' || s || ' ' || v, 0) FROM unnest(c_scope, c_value) AS c (s, v)
        UNION ALL
        SELECT hashtextextended('inbox ' || own_service || ' ' || c || ' ' || s, 0)
        FROM unnest(i_consumer, i_stream) AS i (c, s)
    ) wanted;
    FOREACH one_lock IN ARRAY coalesce(locks, '{}') LOOP
        PERFORM pg_advisory_xact_lock(one_lock);
    END LOOP;

    IF cardinality(i_consumer) > 0 THEN
        SELECT m.stream, m.was, coalesce(b.sequence, 0) INTO found_problem, found_from, found_to
        FROM unnest(i_consumer, i_stream, i_from) AS m (consumer, stream, was)
        LEFT JOIN event_store.inbox b
            ON b.service = own_service AND b.consumer = m.consumer AND b.stream = m.stream
        WHERE coalesce(b.sequence, 0) <> m.was LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'Inbox moved (stream: %, expected at %, is at %).', found_problem, found_from, found_to
                USING ERRCODE = 'KE005', HINT = 'Another consumer was faster: roll back, read again.';
        END IF;
    END IF;

    RETURN QUERY
    WITH heads AS MATERIALIZED (
        SELECT a.ord::integer AS ord, a.stream, a.expected, coalesce(s.key, a.key) AS key,
               coalesce(s.version, 0) AS version, coalesce(s.sequence, 0) AS sequence
        FROM unnest(a_stream, a_expected, a_key) WITH ORDINALITY AS a (stream, expected, key, ord)
        LEFT JOIN event_store.streams s ON s.stream = a.stream
    ), known AS MATERIALIZED (
        SELECT f.ord, max(e.version) AS version, max(e.tx) AS tx, max(e.position) AS position
        FROM unnest(f_append, f_id) AS f (ord, id) JOIN event_store.events e ON e.id = f.id
        GROUP BY f.ord
    ), taken AS MATERIALIZED (
        SELECT DISTINCT ON (c.ord) c.ord,
               json_build_object('scope', k.scope, 'value', k.value, 'holder', k.holder, 'digest', k.digest,
                                 'answer', k.answer) AS detail
        FROM unnest(c_append, c_scope, c_value, c_holder, c_digest, c_release)
            WITH ORDINALITY AS c (ord, scope, value, holder, digest, release, place)
        JOIN event_store.claims k ON k.scope = c.scope AND k.value = c.value
        WHERE NOT c.release AND (k.holder <> c.holder OR c.digest IS NOT NULL)
        -- An idempotency key (it has a digest) answers before anything else does.
        ORDER BY c.ord, (c.digest IS NULL), c.place
    ), verdicts AS MATERIALIZED (
        SELECT h.*, k.version AS known_version, k.tx AS known_tx, k.position AS known_position, t.detail,
               CASE WHEN k.ord IS NOT NULL THEN 'known'
                    WHEN t.ord IS NOT NULL AND t.detail ->> 'digest' IS NOT NULL THEN 'taken'
                    WHEN h.expected <> h.version THEN 'conflict'
                    WHEN t.ord IS NOT NULL THEN 'taken'
                    ELSE 'appended' END AS outcome
        FROM heads h LEFT JOIN known k ON k.ord = h.ord LEFT JOIN taken t ON t.ord = h.ord
    ), numbered AS MATERIALIZED (
        SELECT v.ord AS append, v.stream, v.key, f.*,
               v.version + row_number() OVER of_append AS new_version,
               v.sequence + count(*) FILTER (WHERE f.published) OVER of_append AS new_sequence
        FROM unnest(f_append, f_id, f_type, f_schema, f_data, f_metadata, f_actor, f_correlation, f_occurred,
                    f_published)
            WITH ORDINALITY AS f (ord, id, type, schema_version, data, metadata, actor, correlation, occurred_at,
                                  published, place)
        JOIN verdicts v ON v.ord = f.ord AND v.outcome = 'appended'
        WINDOW of_append AS (PARTITION BY f.ord ORDER BY f.place)
    ), written AS (
        INSERT INTO event_store.events (service, stream, version, sequence, key, id, type, schema_version, data,
                                        metadata, actor, correlation, occurred_at)
        SELECT own_service, n.stream, n.new_version, CASE WHEN n.published THEN n.new_sequence END, n.key, n.id,
               n.type, n.schema_version, n.data::json, n.metadata::json, n.actor, n.correlation, n.occurred_at
        FROM numbered n ORDER BY n.place
        RETURNING stream, version, tx, position
    ), moved AS (
        INSERT INTO event_store.streams AS s (stream, version, sequence, key)
        SELECT n.stream, max(n.new_version), max(n.new_sequence), min(n.key) FROM numbered n GROUP BY n.stream
        ON CONFLICT (stream) DO UPDATE SET version = excluded.version, sequence = excluded.sequence
    ), claimed AS (
        INSERT INTO event_store.claims (scope, value, holder, digest, answer, service)
        SELECT c.scope, c.value, c.holder, c.digest, c.answer::json, own_service
        FROM unnest(c_append, c_scope, c_value, c_holder, c_digest, c_answer, c_release)
            AS c (ord, scope, value, holder, digest, answer, release)
        JOIN verdicts v ON v.ord = c.ord AND v.outcome = 'appended'
        WHERE NOT c.release AND NOT EXISTS (
            SELECT FROM event_store.claims k WHERE k.scope = c.scope AND k.value = c.value)
    ), released AS (
        DELETE FROM event_store.claims k
        USING unnest(c_append, c_scope, c_value, c_holder, c_release) AS c (ord, scope, value, holder, release),
              verdicts v
        WHERE v.ord = c.ord AND v.outcome = 'appended' AND c.release
          AND k.scope = c.scope AND k.value = c.value AND k.holder = c.holder
    ), noted AS (
        INSERT INTO event_store.inbox AS b (service, consumer, stream, sequence)
        SELECT own_service, m.consumer, m.stream, m.now FROM unnest(i_consumer, i_stream, i_to) AS m (consumer, stream, now)
        ON CONFLICT (service, consumer, stream) DO UPDATE SET sequence = excluded.sequence
    ), ends AS (
        SELECT w.stream, max(w.version) AS version, max(w.tx) AS tx, max(w.position) AS position
        FROM written w GROUP BY w.stream
    )
    SELECT v.ord, v.outcome,
           coalesce(v.known_version, e.version, v.version),
           coalesce(v.known_tx, e.tx)::text::bigint,
           coalesce(v.known_position, e.position), v.detail
    FROM verdicts v LEFT JOIN ends e ON e.stream = v.stream AND v.outcome = 'appended'
    ORDER BY v.ord;
END
$$;
