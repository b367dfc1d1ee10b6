-- How far one's consumer has come in some streams; no locks (append compares again, under its locks).
CREATE OR REPLACE FUNCTION event_store.read_inbox(consumers text[], streams text[])
RETURNS TABLE (consumer text, stream text, sequence bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, event_store
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    own_service text := event_store.service_of_session();
BEGIN
    RETURN QUERY
    SELECT b.consumer, b.stream, b.sequence FROM unnest(consumers, streams) AS w (consumer, stream)
    JOIN event_store.inbox b ON b.service = own_service AND b.consumer = w.consumer AND b.stream = w.stream;
END
$$;
