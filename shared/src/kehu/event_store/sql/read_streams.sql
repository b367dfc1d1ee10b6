-- All facts of some of one's own streams after a version each, stream by stream in order. Uses events_stream_version.
CREATE OR REPLACE FUNCTION event_store.read_streams(streams text[], after_versions bigint[])
RETURNS TABLE (id uuid, type text, service text, stream text, version bigint, sequence bigint, key text, data text,
               metadata text, actor text, correlation uuid, occurred_at timestamptz, recorded_at timestamptz,
               tx bigint, "position" bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, event_store
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    own_service text := event_store.service_of_session();
    foreign_stream text;
BEGIN
    SELECT s INTO foreign_stream FROM unnest(streams) s
        WHERE NOT EXISTS (SELECT FROM event_store.categories c
                          WHERE c.category = split_part(s, '-', 1) AND c.service = own_service) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Stream % is not of % (role %).', foreign_stream, own_service, session_user
            USING ERRCODE = 'KE003', HINT = 'A service reads its own streams only; others are known by their facts.';
    END IF;
    RETURN QUERY
    SELECT e.id, e.type, e.service, e.stream, e.version, e.sequence, e.key, e.data::text, e.metadata::text, e.actor,
           e.correlation, e.occurred_at, e.recorded_at, e.tx::text::bigint, e.position
    FROM unnest(streams, after_versions) WITH ORDINALITY AS w (stream, after, ord)
    JOIN LATERAL (
        SELECT * FROM event_store.events s WHERE s.stream = w.stream AND s.version > w.after ORDER BY s.version
    ) e ON true
    ORDER BY w.ord, e.version;
END
$$;
