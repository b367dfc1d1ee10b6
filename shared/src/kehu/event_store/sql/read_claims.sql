-- Who holds each of many values of one scope; values that nobody holds are left out. No locks (append compares again).
CREATE OR REPLACE FUNCTION event_store.read_claims(wanted_scope text, wanted_values text[])
RETURNS TABLE (value text, holder text)
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
    SELECT c.value, c.holder FROM unnest(wanted_values) AS w (value)
    JOIN event_store.claims c ON c.scope = wanted_scope AND c.value = w.value
    WHERE c.service = own_service;
END
$$;
