-- One fact of one's own log by its id, if there is one. Uses the index events_id.
CREATE OR REPLACE FUNCTION event_store.read_fact(wanted uuid)
RETURNS TABLE (id uuid, type text, service text, stream text, version bigint, sequence bigint, key text, data text,
               metadata text, actor text, correlation uuid, occurred_at timestamptz, recorded_at timestamptz,
               tx bigint, "position" bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, event_store AS $$
    SELECT e.id, e.type, e.service, e.stream, e.version, e.sequence, e.key, e.data::text, e.metadata::text, e.actor,
           e.correlation, e.occurred_at, e.recorded_at, e.tx::text::bigint, e.position
    FROM event_store.events e WHERE e.id = wanted AND e.service = event_store.service_of_session();
$$;
