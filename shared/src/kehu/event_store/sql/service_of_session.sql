-- The service whose role is connected; looks at session_user, since these functions run as their owner.
CREATE OR REPLACE FUNCTION event_store.service_of_session() RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, event_store AS $$
DECLARE
    found_service text;
BEGIN
    SELECT s.service INTO found_service FROM event_store.services s WHERE s.role = session_user;
    IF found_service IS NULL THEN
        RAISE EXCEPTION 'Role % is no service of this event store.', session_user
            USING ERRCODE = 'KE008', HINT = 'Run `kehu migrate`, and connect with the role of the service.';
    END IF;
    RETURN found_service;
END
$$;
