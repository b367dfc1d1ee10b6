-- A page of one's own log after a place, in (tx, position) order, strictly below the watermark: what is below it is
-- complete for ever, so a reader that keeps only its place never skips a fact. Uses the index events_log.
CREATE OR REPLACE FUNCTION event_store.read_log(
    after_tx bigint, after_position bigint, page integer, only_published boolean
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
BEGIN
    RETURN QUERY
    SELECT e.id, e.type, e.service, e.stream, e.version, e.sequence, e.key, e.data::text, e.metadata::text, e.actor,
           e.correlation, e.occurred_at, e.recorded_at, e.tx::text::bigint, e.position
    FROM event_store.events e
    WHERE e.service = own_service
      AND (e.tx, e.position) > (after_tx::text::xid8, after_position)
      AND e.tx < pg_snapshot_xmin(pg_current_snapshot())
      AND (e.sequence IS NOT NULL OR NOT only_published)
    ORDER BY e.tx, e.position
    LIMIT page;
END
$$;
