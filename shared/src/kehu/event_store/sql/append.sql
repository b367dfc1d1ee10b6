-- Appends to many streams at once, each with its own outcome; the first write of its transaction.
--
-- a_*: one entry per append. expected: NULL any, 0 no such stream yet, n the version it must stand at. facts and
--      published say how many of the facts are its own, and how many of those leave the service.
-- f_*: one entry per fact, append by append. append: which one (from 1); place: its place there (from 1);
--      published: NULL for a private fact, else its place among the append's published ones. Where all facts of the
--      call have the same type, schema, metadata, actor, correlation or time, that array has one entry for all.
-- c_*: one entry per claim (taken, or given back where c_release).  i_*: inbox moves of the whole call, from -> to.
-- Arrays of what there is none of may be NULL.
--
-- Locks come first, and the transaction's id only after them: so whoever holds a stream's lock later also has the
-- later tx, and the log's order (tx, position) never turns a stream's versions round.
--
-- Appends are told apart by array index, never by joining arrays: a call of 500 costs 500 times one, not 500 squared.
-- Starting a statement costs more than the statement does for one row, so there are few of them, those without anything
-- to do are left out, and one append of one fact, which is what a person's command makes, has plain ones without sets
-- (225 -> 150 us of the server's time).
DROP FUNCTION IF EXISTS event_store.append;
CREATE FUNCTION event_store.append(
    a_stream text[], a_expected bigint[], a_key text[], a_facts integer[], a_published integer[],
    f_append integer[], f_place integer[], f_published integer[], f_id uuid[], f_type text[], f_schema integer[],
    f_data text[], f_metadata text[], f_actor text[], f_correlation uuid[], f_occurred timestamptz[],
    c_append integer[], c_scope text[], c_value text[], c_holder text[], c_digest text[], c_answer text[],
    c_release boolean[],
    i_consumer text[], i_stream text[], i_from bigint[], i_to bigint[]
) RETURNS TABLE (outcome text, version bigint, tx bigint, "position" bigint, detail json)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, event_store
-- One plan for every call, made of index look-ups: a plan chosen while a table was small must not survive its growth.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    appends integer := cardinality(a_stream);
    own_service text;
    problem text;
    was bigint;
    is_at bigint;
    head record;
    found_row record;
    outcomes text[];
    versions bigint[];
    sequences bigint[];
    keys text[];
    details json[];
    positions bigint[];
    txs bigint[];
    written bigint[];
    written_before integer := 0;
    this_tx bigint;
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE EXCEPTION 'event_store.append must be the first write of its transaction.'
            USING ERRCODE = 'KE001', HINT = 'Write views and schedules after it; take no row locks before it.';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'event_store.append needs READ COMMITTED: heads are compared after its locks are held.'
            USING ERRCODE = 'KE001';
    END IF;
    IF appends > 500 THEN
        RAISE EXCEPTION 'At most 500 streams in one call, got %.', appends USING ERRCODE = 'KE002';
    END IF;
    IF appends = 1 THEN
        SELECT c.service INTO own_service
        FROM event_store.services s JOIN event_store.categories c ON c.service = s.service
        WHERE s.role = session_user AND c.category = split_part(a_stream[1], '-', 1);
        problem := CASE WHEN own_service IS NULL THEN a_stream[1] END;
    ELSE
        SELECT s.service INTO own_service FROM event_store.services s WHERE s.role = session_user;
        SELECT a.stream INTO problem FROM unnest(a_stream) a (stream)
        WHERE own_service IS DISTINCT FROM
              (SELECT c.service FROM event_store.categories c WHERE c.category = split_part(a.stream, '-', 1))
        LIMIT 1;
    END IF;
    IF problem IS NOT NULL THEN
        SELECT s.service INTO own_service FROM event_store.services s WHERE s.role = session_user;
        RAISE EXCEPTION 'Stream % is not of % (role %).', problem, coalesce(own_service, 'any service'), session_user
            USING ERRCODE = 'KE003', HINT = 'A service appends to its own categories only.';
    END IF;

    IF appends = 1 AND c_append IS NULL AND i_consumer IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('stream ' || a_stream[1], 0));
    ELSE
        -- One after the other in the order of their numbers: a subquery that sorts is not taken apart.
        PERFORM pg_advisory_xact_lock(wanted.lock) FROM (
            SELECT hashtextextended('stream ' || s, 0) AS lock FROM unnest(a_stream) s
            UNION ALL
            SELECT hashtextextended('claim ' || s || ' ' || v, 0) FROM unnest(c_scope, c_value) AS c (s, v)
            UNION ALL
            SELECT hashtextextended('inbox ' || own_service || ' ' || c || ' ' || s, 0)
            FROM unnest(i_consumer, i_stream) AS i (c, s)
            ORDER BY lock
        ) wanted;
    END IF;

    IF cardinality(i_consumer) > 0 THEN
        SELECT m.stream, m.was, m.at INTO problem, was, is_at FROM (
            SELECT i.stream, i.was, coalesce(
                (SELECT b.sequence FROM event_store.inbox b
                 WHERE b.service = own_service AND b.consumer = i.consumer AND b.stream = i.stream), 0) AS at
            FROM unnest(i_consumer, i_stream, i_from) AS i (consumer, stream, was)
        ) m WHERE m.at <> m.was LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'Inbox moved (stream: %, expected at %, is at %).', problem, was, is_at
                USING ERRCODE = 'KE005', HINT = 'Another consumer was faster: roll back, read again.';
        END IF;
    END IF;

    -- Where each append's stream stands now, and what follows from that.
    IF appends = 1 THEN
        SELECT t.version, t.sequence, t.key INTO head FROM event_store.streams t WHERE t.stream = a_stream[1];
        versions := ARRAY[coalesce(head.version, 0)];
        sequences := ARRAY[coalesce(head.sequence, 0)];
        keys := ARRAY[coalesce(head.key, a_key[1])];
        outcomes := ARRAY[CASE WHEN a_expected[1] <> versions[1] THEN 'conflict' ELSE 'appended' END];
    ELSE
        SELECT array_agg(h.version ORDER BY h.ord), array_agg(h.sequence ORDER BY h.ord),
               array_agg(h.key ORDER BY h.ord),
               array_agg(CASE WHEN h.expected <> h.version THEN 'conflict' ELSE 'appended' END ORDER BY h.ord)
        INTO versions, sequences, keys, outcomes
        FROM (SELECT a.ord, a.expected, coalesce(s.version, 0) AS version, coalesce(s.sequence, 0) AS sequence,
                     coalesce(s.key, a.key) AS key
              FROM unnest(a_stream, a_expected, a_key) WITH ORDINALITY AS a (stream, expected, key, ord)
              LEFT JOIN LATERAL (SELECT * FROM event_store.streams t WHERE t.stream = a.stream) s ON true) h;
    END IF;

    IF cardinality(c_append) > 0 THEN
        FOR found_row IN
            SELECT c.append AS ord, k.digest IS NOT NULL AS is_key, json_build_object(
                'scope', k.scope, 'value', k.value, 'holder', k.holder, 'digest', k.digest, 'answer', k.answer) AS detail
            FROM unnest(c_append, c_scope, c_value, c_holder, c_digest, c_release)
                WITH ORDINALITY AS c (append, scope, value, holder, digest, release, place)
            JOIN LATERAL (SELECT * FROM event_store.claims t WHERE t.scope = c.scope AND t.value = c.value) k ON true
            WHERE NOT c.release AND (k.holder <> c.holder OR c.digest IS NOT NULL)
            ORDER BY c.place
        LOOP
            -- An idempotency key (it has a digest) answers before a conflict does; any other claim after it.
            IF found_row.is_key OR outcomes[found_row.ord] = 'appended' THEN
                outcomes[found_row.ord] := 'taken';
                details[found_row.ord] := found_row.detail;
            END IF;
        END LOOP;
    END IF;

    -- New ids stand side by side in the index, so asking for all of them at once is one walk there; they are new nearly
    -- always. Uses events_id.
    IF EXISTS (SELECT FROM event_store.events e WHERE e.id = ANY (f_id)) THEN
        FOR found_row IN
            SELECT f.append AS ord, max(e.version) AS version, max(e.tx)::text::bigint AS tx,
                   max(e.position) AS position
            FROM unnest(f_append, f_id) AS f (append, id)
            JOIN LATERAL (SELECT * FROM event_store.events t WHERE t.id = f.id) e ON true
            GROUP BY f.append
        LOOP
            outcomes[found_row.ord] := 'known';
            versions[found_row.ord] := found_row.version;
            positions[found_row.ord] := found_row.position;
            txs[found_row.ord] := found_row.tx;
        END LOOP;
    END IF;

    IF appends = 1 AND cardinality(f_id) = 1 AND outcomes[1] = 'appended' THEN
        INSERT INTO event_store.events (service, stream, version, sequence, key, id, type, schema_version, data,
                                        metadata, actor, correlation, occurred_at)
        VALUES (own_service, a_stream[1], versions[1] + 1, sequences[1] + f_published[1], keys[1], f_id[1], f_type[1],
                f_schema[1], f_data[1]::json, f_metadata[1]::json, f_actor[1], f_correlation[1], f_occurred[1])
        RETURNING events.position INTO is_at;
        written := ARRAY[is_at];
        IF versions[1] = 0 THEN
            INSERT INTO event_store.streams (stream, version, sequence, key)
            VALUES (a_stream[1], 1, a_published[1], keys[1]);
        ELSE
            UPDATE event_store.streams t SET version = versions[1] + 1, sequence = sequences[1] + a_published[1]
            WHERE t.stream = a_stream[1];
        END IF;
    ELSIF 'appended' = ANY (outcomes) AND cardinality(f_id) > 0 THEN
        WITH written AS (
            INSERT INTO event_store.events (service, stream, version, sequence, key, id, type, schema_version, data,
                                            metadata, actor, correlation, occurred_at)
            SELECT own_service, a_stream[f.append], versions[f.append] + f.place, sequences[f.append] + f.published,
                   keys[f.append], f.id, coalesce(f.type, f_type[1]), coalesce(f.schema_version, f_schema[1]),
                   f.data::json, coalesce(f.metadata, f_metadata[1])::json, coalesce(f.actor, f_actor[1]),
                   coalesce(f.correlation, f_correlation[1]), coalesce(f.occurred_at, f_occurred[1])
            FROM unnest(f_append, f_place, f_published, f_id, f_type, f_schema, f_data, f_metadata, f_actor,
                        f_correlation, f_occurred)
                WITH ORDINALITY AS f (append, place, published, id, type, schema_version, data, metadata, actor,
                                      correlation, occurred_at, turn)
            WHERE outcomes[f.append] = 'appended'
            ORDER BY f.turn
            RETURNING position
        )
        SELECT array_agg(w.position ORDER BY w.position) INTO written FROM written w;

        INSERT INTO event_store.streams AS s (stream, version, sequence, key)
        SELECT a.stream, versions[a.ord] + a.facts, sequences[a.ord] + a.published, keys[a.ord]
        FROM unnest(a_stream, a_facts, a_published) WITH ORDINALITY AS a (stream, facts, published, ord)
        WHERE outcomes[a.ord] = 'appended' AND a.facts > 0
        ON CONFLICT (stream) DO UPDATE SET version = excluded.version, sequence = excluded.sequence;
    END IF;

    IF cardinality(c_append) > 0 THEN
        INSERT INTO event_store.claims (scope, value, holder, digest, answer, service)
        SELECT c.scope, c.value, c.holder, c.digest, c.answer::json, own_service
        FROM unnest(c_append, c_scope, c_value, c_holder, c_digest, c_answer, c_release)
            AS c (append, scope, value, holder, digest, answer, release)
        WHERE outcomes[c.append] = 'appended' AND NOT c.release
          AND NOT EXISTS (SELECT FROM event_store.claims k WHERE k.scope = c.scope AND k.value = c.value);
        IF true = ANY (c_release) THEN
            DELETE FROM event_store.claims k
            USING unnest(c_append, c_scope, c_value, c_holder, c_release) AS c (append, scope, value, holder, release)
            WHERE outcomes[c.append] = 'appended' AND c.release
              AND k.scope = c.scope AND k.value = c.value AND k.holder = c.holder;
        END IF;
    END IF;

    IF cardinality(i_consumer) > 0 THEN
        INSERT INTO event_store.inbox AS b (service, consumer, stream, sequence)
        SELECT own_service, m.consumer, m.stream, m.now
        FROM unnest(i_consumer, i_stream, i_to) AS m (consumer, stream, now)
        ON CONFLICT (service, consumer, stream) DO UPDATE SET sequence = excluded.sequence;
    END IF;

    this_tx := pg_current_xact_id_if_assigned()::text::bigint;
    FOR ord IN 1 .. appends LOOP
        outcome := outcomes[ord];
        version := versions[ord];
        position := positions[ord];
        tx := txs[ord];
        detail := details[ord];
        IF outcome = 'appended' AND a_facts[ord] > 0 THEN
            version := version + a_facts[ord];
            tx := this_tx;
            -- Positions rise in the order in which the facts were written, append by append: its last one's.
            written_before := written_before + a_facts[ord];
            position := written[written_before];
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
