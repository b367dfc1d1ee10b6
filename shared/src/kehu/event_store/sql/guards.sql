-- Nobody changes what was recorded, whatever their role: no grant allows it, and these triggers refuse the owner too.
CREATE OR REPLACE FUNCTION event_store.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The log is append-only: % on % is refused for everyone.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'KE009', HINT = 'Record a correcting fact instead.';
END
$$;
CREATE OR REPLACE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON event_store.events
    FOR EACH ROW EXECUTE FUNCTION event_store.refuse_change();
CREATE OR REPLACE TRIGGER events_no_truncate BEFORE TRUNCATE ON event_store.events
    FOR EACH STATEMENT EXECUTE FUNCTION event_store.refuse_change();
ALTER TABLE event_store.events ENABLE ALWAYS TRIGGER events_append_only;
ALTER TABLE event_store.events ENABLE ALWAYS TRIGGER events_no_truncate;
