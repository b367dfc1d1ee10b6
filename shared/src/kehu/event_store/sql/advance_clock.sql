-- Moves the policy's clock forward; for the owner only (`kehu clock advance`, demonstration mode). It never goes back:
-- what has fallen due stays due. Listeners of kehu_clock hear of it at once, the others by their poll.
CREATE OR REPLACE FUNCTION event_store.advance_clock(by interval) RETURNS interval
LANGUAGE plpgsql SET search_path = pg_catalog, event_store AS $$
DECLARE
    now_ahead interval;
BEGIN
    IF by < interval '0' THEN
        RAISE EXCEPTION 'The clock cannot go back (asked for: %).', by
            USING ERRCODE = 'KE010', HINT = 'Give a length of time of zero or more.';
    END IF;
    UPDATE event_store.clock SET ahead = ahead + by RETURNING ahead INTO now_ahead;
    PERFORM pg_notify('kehu_clock', '');
    RETURN now_ahead;
END
$$;
