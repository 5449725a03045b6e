-- The version of a customer goes up by one in every transaction that changes anything an answer of
-- that customer could show, and the outbox gets the same number for those who keep copies.
--
-- The version's row is also the customer's lock. Row locks are held to the end of a transaction, so
-- versions follow the order of commits; and whatever depends on other rows of the customer is
-- checked and added up after the row is locked, so two writers cannot pass each other unseen.
--
-- Order of locks: products and credit types, then versions by customer, then segments. A statement
-- that inserts keeps it whatever the order of its rows. A statement that updates or deletes holds
-- its rows before any trigger runs: a transaction of several of those locks the version itself
-- first, with SELECT … FROM ledger_version WHERE customer_id = … FOR UPDATE.

CREATE TABLE ledger_version (
    -- No foreign key: the row outlives its customer, so that one who is made again does not
    -- start over with versions that somebody remembers.
    customer_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    -- The transaction that counted last. Its number alone would not do: a restored database
    -- counts transactions from the start again.
    xid xid8 NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The outbox. Its readers delete what they have taken.
CREATE TABLE ledger_change (
    customer_id uuid NOT NULL,
    version bigint NOT NULL,
    -- Who keeps copies for a bounded time has no use for what is older than that.
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (customer_id, version)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Names this very database, for those who keep copies: another cluster, a database or a schema that was made
-- anew, one that was restored or that a standby took over, and one that has come back from a crash have other
-- names; while its sessions last, the name stays. Null on a standby, which may lag behind.
CREATE FUNCTION database_origin() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = balances, pg_temp
AS $$
    SELECT encode(substring(sha256(convert_to(concat_ws('/',
               (SELECT s.system_identifier FROM pg_control_system() s),
               (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
               'ledger_version'::regclass::oid, pg_postmaster_start_time()), 'UTF8')) FOR 16),
               'hex')::uuid
     WHERE NOT pg_is_in_recovery()
$$;

-- Counts once per customer and transaction: what this transaction has counted, it sees, and it is
-- left out. A savepoint that is rolled back takes its count with it.
CREATE FUNCTION bump_versions(customers uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    WITH bumped AS (
        INSERT INTO ledger_version AS v (customer_id, version, xid, changed_at)
        SELECT c.customer_id, 1, pg_current_xact_id(), transaction_timestamp()
          FROM (SELECT DISTINCT u AS customer_id FROM unnest(customers) u) c
         WHERE NOT EXISTS (SELECT FROM ledger_version mine
                            WHERE mine.customer_id = c.customer_id
                              AND mine.xid = pg_current_xact_id()
                              AND mine.changed_at = transaction_timestamp())
         ORDER BY c.customer_id
            ON CONFLICT (customer_id) DO UPDATE
           SET version = v.version + 1, xid = EXCLUDED.xid, changed_at = EXCLUDED.changed_at
        RETURNING v.customer_id, v.version)
    INSERT INTO ledger_change (customer_id, version)
    SELECT b.customer_id, b.version FROM bumped b;
END
$$;

-- Holds a customer's version still until the end of the transaction, if it is what the writer has seen.
-- Whatever the writer decided on then still holds. Otherwise the transaction fails, to be tried anew.
CREATE FUNCTION expect_version(customer uuid, expected bigint) RETURNS void
LANGUAGE plpgsql
SET search_path = balances, pg_temp
AS $$
BEGIN
    PERFORM FROM ledger_version v
      WHERE v.customer_id = customer AND v.version = expected
        FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the ledger of customer % has changed', customer
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$;

CREATE FUNCTION bump_versions_of_rows() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp
AS $$
DECLARE
    customers uuid[];
BEGIN
    CASE TG_OP
        WHEN 'INSERT' THEN
            SELECT array_agg(DISTINCT n.customer_id) INTO customers FROM new_rows n;
        WHEN 'DELETE' THEN
            SELECT array_agg(DISTINCT o.customer_id) INTO customers FROM old_rows o;
        ELSE
            SELECT array_agg(DISTINCT b.customer_id) INTO customers
              FROM (SELECT customer_id FROM new_rows UNION ALL
                    SELECT customer_id FROM old_rows) b;
    END CASE;
    PERFORM bump_versions(customers);
    RETURN NULL;
END
$$;

-- Triggers of one event fire in the order of their names: step1 is always the version.
DO $$
DECLARE
    changing text;
BEGIN
    FOREACH changing IN ARRAY ARRAY['customer', 'contract', 'balance', 'segment',
                                    'invoice_schedule_item', 'draft_deduction']
    LOOP
        EXECUTE format('CREATE TRIGGER step1_version_insert AFTER INSERT ON %I
                            REFERENCING NEW TABLE AS new_rows
                            FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows()', changing);
        EXECUTE format('CREATE TRIGGER step1_version_update AFTER UPDATE ON %I
                            REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                            FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows()', changing);
        EXECUTE format('CREATE TRIGGER step1_version_delete AFTER DELETE ON %I
                            REFERENCING OLD TABLE AS old_rows
                            FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows()', changing);
    END LOOP;
END
$$;

-- Entries are inserted and nothing else.
CREATE TRIGGER step1_version_insert AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bump_versions_of_rows();

-- Answers show the names of products and credit types. EXCEPT and not a join of old and new rows:
-- it never becomes quadratic, whatever plan the session has kept.
CREATE FUNCTION product_renamed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp
AS $$
BEGIN
    PERFORM bump_versions((
        SELECT array_agg(DISTINCT b.customer_id)
          FROM (SELECT id, name FROM new_rows EXCEPT SELECT id, name FROM old_rows) n
          JOIN balance b ON b.product_id = n.id));
    RETURN NULL;
END
$$;

CREATE TRIGGER step1_version_update AFTER UPDATE ON product
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION product_renamed();

CREATE FUNCTION credit_type_renamed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp
AS $$
BEGIN
    PERFORM bump_versions((
        SELECT array_agg(DISTINCT b.customer_id)
          FROM (SELECT id, name FROM new_rows EXCEPT SELECT id, name FROM old_rows) n
          JOIN balance b ON n.id IN (b.credit_type_id, b.invoice_credit_type_id)));
    RETURN NULL;
END
$$;

CREATE TRIGGER step1_version_update AFTER UPDATE ON credit_type
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION credit_type_renamed();

-- A version that somebody set by hand would make copies lie.
CREATE FUNCTION refuse_direct_write() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is kept by triggers and may not be written directly', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER refuse_direct_write BEFORE INSERT OR UPDATE OR DELETE ON ledger_version
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_direct_write();

-- TRUNCATE fires no trigger that could count or add up.
CREATE FUNCTION refuse_truncate() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% may not be truncated', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              HINT = 'Totals, versions and the change feed would not notice.';
END
$$;

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['customer', 'contract', 'balance', 'segment',
                                'invoice_schedule_item', 'draft_deduction', 'ledger_entry',
                                'ledger_version', 'ledger_change']
    LOOP
        EXECUTE format('CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %I
                            FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate()', kept);
    END LOOP;
END
$$;
