-- Who may do what; applied after the functions, at every migration. Tables of the store: nobody but the auditor reads.
REVOKE ALL ON SCHEMA event_store FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA event_store FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA event_store FROM PUBLIC;
GRANT USAGE ON SCHEMA event_store TO kehu_service, kehu_auditor;
GRANT EXECUTE ON FUNCTION
    event_store.append, event_store.read_log, event_store.read_published, event_store.read_streams,
    event_store.read_fact, event_store.read_inbox, event_store.read_claim, event_store.read_claims, event_store.watermark,
    event_store.service_of_session
    TO kehu_service;
GRANT SELECT ON event_store.clock TO kehu_service, kehu_auditor;
GRANT SELECT ON event_store.events, event_store.streams, event_store.claims, event_store.inbox TO kehu_auditor;
