-- How far readers can be: the age in seconds of the oldest transaction that still holds them back, and the server's
-- next transaction id (a restored log whose tx is not below it must not be used). Transactions of other roles and other
-- databases count too: the function's owner must see their times (pg_read_all_stats).
CREATE OR REPLACE FUNCTION event_store.watermark()
RETURNS TABLE (age_seconds double precision, next_tx bigint, last_tx bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, event_store AS $$
    SELECT coalesce((SELECT extract(epoch FROM max(clock_timestamp() - a.xact_start)) FROM pg_stat_activity a
                     WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()), 0)::double precision,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
           -- The greatest there is, of each service from the end of the index events_log.
           coalesce((SELECT max(last.tx) FROM event_store.services s, LATERAL (
                         SELECT e.tx::text::bigint AS tx FROM event_store.events e WHERE e.service = s.service
                         ORDER BY e.tx DESC, e.position DESC LIMIT 1) AS last), 0);
$$;
