-- A page of another service's published facts, of the types this service subscribes to: what a view that was folded
-- from a topic is rebuilt from. Same order and watermark as read_log. Uses the index events_log.
CREATE OR REPLACE FUNCTION event_store.read_published(
    from_service text, types text[], after_tx bigint, after_position bigint, page integer
) RETURNS TABLE (id uuid, type text, service text, stream text, version bigint, sequence bigint, key text, data text,
                 metadata text, actor text, correlation uuid, occurred_at timestamptz, recorded_at timestamptz,
                 tx bigint, "position" bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, event_store
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
    own_service text := event_store.service_of_session();
    foreign_type text;
BEGIN
    SELECT t INTO foreign_type FROM unnest(types) t
        WHERE NOT EXISTS (SELECT FROM event_store.subscriptions s WHERE s.service = own_service AND s.type = t) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% does not subscribe to %.', own_service, foreign_type
            USING ERRCODE = 'KE003', HINT = 'Declare the reaction or view in its app.py, then run `kehu migrate`.';
    END IF;
    RETURN QUERY
    SELECT e.id, e.type, e.service, e.stream, e.version, e.sequence, e.key, e.data::text, e.metadata::text, e.actor,
           e.correlation, e.occurred_at, e.recorded_at, e.tx::text::bigint, e.position
    FROM event_store.events e
    WHERE e.service = from_service
      AND (e.tx, e.position) > (after_tx::text::xid8, after_position)
      AND e.tx < pg_snapshot_xmin(pg_current_snapshot())
      AND e.sequence IS NOT NULL AND e.type = ANY (types)
    ORDER BY e.tx, e.position
    LIMIT page;
END
$$;
