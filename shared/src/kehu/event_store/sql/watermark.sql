-- How far readers can be: the age in seconds of the oldest transaction that still holds them back, and the server's
-- next transaction id (a restored log whose tx is not below it must not be used). Transactions of other roles and other
-- databases count too: the function's owner must see their times (pg_read_all_stats).
CREATE OR REPLACE FUNCTION event_store.watermark()
RETURNS TABLE (age_seconds double precision, next_tx bigint, last_tx bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, event_store AS $$
    SELECT coalesce((SELECT extract(epoch FROM max(clock_timestamp() - a.xact_start)) FROM pg_stat_activity a
                     WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()), 0)::double precision,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
           coalesce((SELECT e.tx::text::bigint FROM event_store.events e ORDER BY e.position DESC LIMIT 1), 0);
$$;
