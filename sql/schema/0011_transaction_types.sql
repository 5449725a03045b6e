-- Keeps a transaction type as a writer who uses it has seen it, until the end of the transaction. Otherwise
-- the transaction fails, to be tried anew. Who changes the type counts its version up, and waits for all who
-- use it; in the order of locks a type comes before the versions.
CREATE FUNCTION expect_transaction_type(type uuid, expected bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = balances, pg_temp
AS $$
BEGIN
    PERFORM FROM transaction_type t WHERE t.id = type AND t.version = expected FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'transaction type % has changed', type
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;
