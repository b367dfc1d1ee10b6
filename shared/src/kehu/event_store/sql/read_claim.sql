-- Who holds a value (a USCC, an idempotency key), if anybody does.
CREATE OR REPLACE FUNCTION event_store.read_claim(wanted_scope text, wanted_value text)
RETURNS TABLE (holder text, digest text, answer text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, event_store AS $$
    SELECT c.holder, c.digest, c.answer::text FROM event_store.claims c
    WHERE c.scope = wanted_scope AND c.value = wanted_value AND c.service = event_store.service_of_session();
$$;
