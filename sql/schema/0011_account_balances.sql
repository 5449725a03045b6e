-- What the service needs to write account balances, and the types of their transactions.

-- The installation -------------------------------------------------------------------------------

-- What belongs to no customer counts its changes as customers do, under the id of all zeros, which is
-- nobody's: writers of it lock that version, requests are remembered under it, and answers about it can
-- be kept until they are wrong.
ALTER TABLE customer ADD CONSTRAINT customer_id_is_not_all_zeros
    CHECK (customer_id <> '00000000-0000-0000-0000-000000000000') NOT VALID;

CREATE FUNCTION bump_version_of_installation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp
AS $$
BEGIN
    PERFORM bump_versions('{00000000-0000-0000-0000-000000000000}');
    RETURN NULL;
END
$$;

CREATE TRIGGER step1_version AFTER UPDATE ON installation
    FOR EACH STATEMENT EXECUTE FUNCTION bump_version_of_installation();

CREATE TRIGGER step1_version AFTER INSERT OR UPDATE OR DELETE ON transaction_type
    FOR EACH STATEMENT EXECUTE FUNCTION bump_version_of_installation();

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON transaction_type
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate();

-- Its first version.
UPDATE installation SET id = id;

-- Transaction types -------------------------------------------------------------------------------

-- The order of the list. The time of this migration for those that were there before it.
ALTER TABLE transaction_type ADD COLUMN created_at instant NOT NULL DEFAULT transaction_timestamp();

-- Not everyone gives them one.
ALTER TABLE transaction_type ALTER COLUMN code DROP NOT NULL;

CREATE FUNCTION transaction_type_check() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF (NEW.id, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.created_at) THEN
        RAISE EXCEPTION 'transaction type % keeps its id and creation time', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_row BEFORE UPDATE ON transaction_type
    FOR EACH ROW EXECUTE FUNCTION transaction_type_check();

-- Keeps a transaction type as a writer who uses it has seen it, until the end of the transaction. Otherwise
-- the transaction fails, to be tried anew. Who changes the type counts its version up, and waits for all who
-- use it; in the order of locks a type comes before the versions of customers.
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

-- Balances ----------------------------------------------------------------------------------------

-- As before, but for the time of an update, which a writer may give: who answers before the commit has to
-- know it.
CREATE OR REPLACE FUNCTION balance_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.customer_id, NEW.id, NEW.kind, NEW.credit_type_id, NEW.created_at)
           IS DISTINCT FROM (OLD.customer_id, OLD.id, OLD.kind, OLD.credit_type_id, OLD.created_at)
        THEN
            RAISE EXCEPTION 'balance % keeps its customer, id, kind, credit type and creation time',
                            OLD.id
                USING ERRCODE = 'restrict_violation',
                      HINT = 'Archive it and make another one.';
        END IF;
        NEW.version := OLD.version + 1;
        IF NEW.updated_at IS NOT DISTINCT FROM OLD.updated_at THEN
            NEW.updated_at := transaction_timestamp();
        END IF;
        IF (NEW.product_id, NEW.invoice_credit_type_id)
           IS NOT DISTINCT FROM (OLD.product_id, OLD.invoice_credit_type_id)
        THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM FROM product p WHERE p.id = NEW.product_id FOR SHARE;
    PERFORM FROM credit_type t WHERE t.id = NEW.credit_type_id FOR SHARE;
    PERFORM FROM credit_type t WHERE t.id = NEW.invoice_credit_type_id FOR SHARE;
    RETURN NEW;
END
$$;
