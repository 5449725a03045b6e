-- What may be written, beyond what a constraint can say, and what follows from a write: totals, the
-- positions of account balances' entries, rollover segments, archived contracts.
--
-- BEFORE ROW triggers check what no other transaction can change (what belongs to what, kinds,
-- signs). Whatever another transaction might be changing is checked after the version's row is
-- locked, in step2 and later of the AFTER STATEMENT triggers.
--
-- The functions run with their owner's rights, so that a writer needs no right but to insert. They
-- never scan a table from end to end: a session keeps a function's plans, and one made while a
-- table was small must not be used when it has grown.

-- Who belongs to whom, for a segment that is not where the writer said.
CREATE FUNCTION refuse_unknown_segment(customer uuid, balance uuid, segment uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = balances, pg_temp
AS $$
DECLARE
    elsewhere uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = customer) THEN
        RAISE EXCEPTION 'there is no customer %', customer
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    SELECT s.balance_id INTO elsewhere FROM segment s
     WHERE s.customer_id = customer AND s.id = segment;
    IF FOUND THEN
        RAISE EXCEPTION 'segment % belongs to balance % and not to %', segment, elsewhere, balance
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM balance b WHERE b.customer_id = customer AND b.id = balance) THEN
        RAISE EXCEPTION 'customer % has no balance %', customer, balance
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RAISE EXCEPTION 'balance % has no segment %', balance, segment
        USING ERRCODE = 'foreign_key_violation';
END
$$;

-- Balances ----------------------------------------------------------------------------------------

-- A balance that begins to show a product or a credit type holds that still until the end of the
-- transaction, so that whoever renames it finds the balance, or the balance finds the new name.
CREATE FUNCTION balance_check() RETURNS trigger
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
        NEW.updated_at := transaction_timestamp();
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

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON balance
    FOR EACH ROW EXECUTE FUNCTION balance_check();

CREATE FUNCTION balance_check_contract() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    bad record;
BEGIN
    SELECT n.id, n.contract_id INTO bad
      FROM new_rows n
      JOIN contract c ON c.customer_id = n.customer_id AND c.id = n.contract_id
     WHERE n.archived_at IS NULL AND c.archived_at IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'contract % is archived, so balance % cannot be live',
                        bad.contract_id, bad.id
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER step2_contract_insert AFTER INSERT ON balance
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION balance_check_contract();

CREATE TRIGGER step2_contract_update AFTER UPDATE ON balance
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION balance_check_contract();

-- Contracts ---------------------------------------------------------------------------------------

CREATE FUNCTION contract_refuse_return() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'contract % is archived and stays so', OLD.id
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER check_row BEFORE UPDATE ON contract
    FOR EACH ROW WHEN (OLD.archived_at IS NOT NULL AND NEW.archived_at IS NULL)
    EXECUTE FUNCTION contract_refuse_return();

CREATE FUNCTION contract_archive_balances() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    UPDATE balance b SET archived_at = n.archived_at
      FROM new_rows n
     WHERE n.archived_at IS NOT NULL
       AND b.customer_id = n.customer_id AND b.contract_id = n.id AND b.archived_at IS NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER step2_archive_balances AFTER UPDATE ON contract
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION contract_archive_balances();

-- Segments ----------------------------------------------------------------------------------------

CREATE FUNCTION segment_check_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    kind balance_kind;
BEGIN
    SELECT b.kind INTO kind FROM balance b
     WHERE b.customer_id = NEW.customer_id AND b.id = NEW.balance_id;
    IF NOT FOUND THEN
        RETURN NEW; -- and let the foreign key say so
    END IF;
    IF NEW.role = 'ROLLOVER' AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'rollover segments are made from their balance''s rollover_ending_before'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF kind = 'ACCOUNT_BALANCE' AND NEW.amount <> 0 THEN
        RAISE EXCEPTION 'the segment of account balance % has to have the amount 0', NEW.balance_id
            USING ERRCODE = 'check_violation',
                  HINT = 'An account balance lives by its transactions.';
    END IF;
    NEW.total_final := 0;
    NEW.total_draft := 0;
    NEW.total_manual := 0;
    NEW.total_other := 0;
    NEW.entry_count := 0;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_insert BEFORE INSERT ON segment
    FOR EACH ROW EXECUTE FUNCTION segment_check_insert();

CREATE FUNCTION segment_refuse_totals() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the totals of segment % are kept by triggers and may not be written directly',
                    OLD.id
        USING ERRCODE = 'restrict_violation',
              HINT = 'Insert ledger entries instead.';
END
$$;

CREATE TRIGGER refuse_totals BEFORE UPDATE ON segment
    FOR EACH ROW
    WHEN (pg_trigger_depth() = 0
          AND (NEW.total_final, NEW.total_draft, NEW.total_manual, NEW.total_other,
               NEW.entry_count)
              IS DISTINCT FROM
              (OLD.total_final, OLD.total_draft, OLD.total_manual, OLD.total_other,
               OLD.entry_count))
    EXECUTE FUNCTION segment_refuse_totals();

CREATE FUNCTION segment_check_update() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF (NEW.customer_id, NEW.balance_id, NEW.id, NEW.role)
       IS DISTINCT FROM (OLD.customer_id, OLD.balance_id, OLD.id, OLD.role)
    THEN
        RAISE EXCEPTION 'segment % keeps its customer, balance, id and role', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.role = 'ROLLOVER' AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'segment % is a rollover and follows its balance', OLD.id
            USING ERRCODE = 'restrict_violation',
                  HINT = 'Change the balance''s rollover_ending_before.';
    END IF;
    IF NEW.amount <> 0
       AND EXISTS (SELECT FROM balance b WHERE b.customer_id = NEW.customer_id
                      AND b.id = NEW.balance_id AND b.kind = 'ACCOUNT_BALANCE')
    THEN
        RAISE EXCEPTION 'the segment of account balance % has to have the amount 0', NEW.balance_id
            USING ERRCODE = 'check_violation',
                  HINT = 'An account balance lives by its transactions.';
    END IF;
    RETURN NEW;
END
$$;

-- Not on every move of a total: that is the common update, and changes none of these.
CREATE TRIGGER check_update BEFORE UPDATE ON segment
    FOR EACH ROW
    WHEN ((NEW.customer_id, NEW.balance_id, NEW.id, NEW.role, NEW.amount, NEW.starting_at,
           NEW.ending_before)
          IS DISTINCT FROM
          (OLD.customer_id, OLD.balance_id, OLD.id, OLD.role, OLD.amount, OLD.starting_at,
           OLD.ending_before))
    EXECUTE FUNCTION segment_check_update();

CREATE FUNCTION segment_refuse_delete() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'segment % has % entries and cannot be removed', OLD.id, OLD.entry_count
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER check_delete BEFORE DELETE ON segment
    FOR EACH ROW WHEN (OLD.entry_count > 0) EXECUTE FUNCTION segment_refuse_delete();

CREATE FUNCTION segment_check_alone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    bad record;
BEGIN
    -- A balance at a time: new and old segments joined are the square of a long schedule.
    SELECT b.id, b.kind INTO bad
      FROM (SELECT DISTINCT n.customer_id, n.balance_id FROM new_rows n WHERE n.role = 'ACCESS') w
      JOIN balance b ON b.customer_id = w.customer_id AND b.id = w.balance_id
     WHERE b.kind IN ('POSTPAID_COMMIT', 'ACCOUNT_BALANCE')
       AND (SELECT count(*) FROM segment s
             WHERE s.customer_id = b.customer_id AND s.balance_id = b.id AND s.role = 'ACCESS') > 1
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'balance % has a segment already', bad.id
            USING ERRCODE = 'check_violation',
                  HINT = format('A %s has exactly one.', bad.kind);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER step2_alone AFTER INSERT ON segment
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION segment_check_alone();

-- Rollover segments -------------------------------------------------------------------------------

-- Makes, moves or removes the rollover segment of one account balance, as its
-- rollover_ending_before and the end of its access segment say. Locks the customer before it reads
-- the two, so that whoever changes one of them sees what another did to the other.
CREATE FUNCTION follow_rollover(customer uuid, account_balance uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    starts instant;
    ends instant;
BEGIN
    PERFORM bump_versions(ARRAY[customer]);
    SELECT a.ending_before, b.rollover_ending_before INTO starts, ends
      FROM balance b
      JOIN segment a ON a.customer_id = b.customer_id AND a.balance_id = b.id AND a.role = 'ACCESS'
     WHERE b.customer_id = customer AND b.id = account_balance
       AND b.rollover_ending_before IS NOT NULL;
    IF NOT FOUND THEN
        DELETE FROM segment s
         WHERE s.customer_id = customer AND s.balance_id = account_balance AND s.role = 'ROLLOVER';
        RETURN;
    END IF;
    IF ends <= starts THEN
        RAISE EXCEPTION 'rollover_ending_before of balance % has to be after its segment''s end',
                        account_balance
            USING ERRCODE = 'check_violation';
    END IF;
    UPDATE segment s SET starting_at = starts, ending_before = ends
     WHERE s.customer_id = customer AND s.balance_id = account_balance AND s.role = 'ROLLOVER';
    IF NOT FOUND THEN
        INSERT INTO segment (customer_id, balance_id, role, amount, starting_at, ending_before)
        VALUES (customer, account_balance, 'ROLLOVER', 0, starts, ends);
    END IF;
END
$$;

CREATE FUNCTION balance_follow_rollover() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp
AS $$
BEGIN
    PERFORM follow_rollover(NEW.customer_id, NEW.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER follow_rollover AFTER UPDATE ON balance
    FOR EACH ROW WHEN (NEW.rollover_ending_before IS DISTINCT FROM OLD.rollover_ending_before)
    EXECUTE FUNCTION balance_follow_rollover();

CREATE FUNCTION segment_follow_rollover() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    PERFORM follow_rollover(b.customer_id, b.id) FROM balance b
      WHERE b.customer_id = NEW.customer_id AND b.id = NEW.balance_id
        AND b.rollover_ending_before IS NOT NULL;
    RETURN NULL;
END
$$;

-- A row trigger, because its condition leaves out the moves of totals at no cost.
CREATE TRIGGER follow_rollover AFTER UPDATE ON segment
    FOR EACH ROW WHEN (NEW.role = 'ACCESS' AND NEW.ending_before <> OLD.ending_before)
    EXECUTE FUNCTION segment_follow_rollover();

CREATE FUNCTION segments_follow_rollover() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM follow_rollover(b.customer_id, b.id)
           FROM new_rows n
           JOIN balance b ON b.customer_id = n.customer_id AND b.id = n.balance_id
          WHERE b.rollover_ending_before IS NOT NULL AND n.role = 'ACCESS';
        RETURN NULL;
    END IF;
    IF EXISTS (SELECT FROM old_rows o
                 JOIN balance b ON b.customer_id = o.customer_id AND b.id = o.balance_id
                 JOIN segment a ON a.customer_id = o.customer_id AND a.balance_id = o.balance_id
                               AND a.role = 'ACCESS'
                WHERE o.role = 'ROLLOVER' AND b.rollover_ending_before IS NOT NULL)
    THEN
        RAISE EXCEPTION 'a rollover segment stays while its balance has rollover_ending_before'
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM follow_rollover(b.customer_id, b.id)
       FROM old_rows o
       JOIN balance b ON b.customer_id = o.customer_id AND b.id = o.balance_id
      WHERE b.rollover_ending_before IS NOT NULL AND o.role = 'ACCESS';
    RETURN NULL;
END
$$;

CREATE TRIGGER step3_rollover_insert AFTER INSERT ON segment
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION segments_follow_rollover();

CREATE TRIGGER step3_rollover_delete AFTER DELETE ON segment
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION segments_follow_rollover();

-- Invoice schedules -------------------------------------------------------------------------------

CREATE FUNCTION invoice_schedule_item_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF EXISTS (SELECT FROM balance b WHERE b.customer_id = NEW.customer_id AND b.id = NEW.balance_id
                  AND b.kind NOT IN ('PREPAID_COMMIT', 'POSTPAID_COMMIT'))
    THEN
        RAISE EXCEPTION 'balance % is not a commit, and only commits are invoiced', NEW.balance_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON invoice_schedule_item
    FOR EACH ROW EXECUTE FUNCTION invoice_schedule_item_check();

-- Ledger entries ----------------------------------------------------------------------------------

CREATE FUNCTION ledger_entry_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
DECLARE
    rule ledger_entry_rule;
    kind balance_kind;
    starting_at instant;
BEGIN
    IF num_nulls(NEW.customer_id, NEW.balance_id, NEW.segment_id, NEW.type, NEW.amount) > 0 THEN
        RETURN NEW; -- and let NOT NULL say so
    END IF;
    SELECT b.kind, s.starting_at INTO kind, starting_at
      FROM segment s
      JOIN balance b ON b.customer_id = s.customer_id AND b.id = s.balance_id
     WHERE s.customer_id = NEW.customer_id AND s.balance_id = NEW.balance_id
       AND s.id = NEW.segment_id;
    IF NOT FOUND THEN
        PERFORM refuse_unknown_segment(NEW.customer_id, NEW.balance_id, NEW.segment_id);
    END IF;
    SELECT r.* INTO STRICT rule FROM ledger_entry_rule r WHERE r.type = NEW.type;

    IF rule.kind <> kind THEN
        RAISE EXCEPTION '% is not for balance %, which is a %', NEW.type, NEW.balance_id, kind
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_is_of_its_balances_kind';
    END IF;
    IF rule.total IS NULL THEN
        RAISE EXCEPTION '% is derived from the schedule, not stored', NEW.type
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_is_not_derived',
                  HINT = 'Write the segment; its start and its expiration follow from it.';
    END IF;
    IF NEW.amount = 0 THEN
        RAISE EXCEPTION 'the amount of a ledger entry may not be zero'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_is_not_zero';
    END IF;
    IF rule.sign <> 0 AND sign(NEW.amount) <> rule.sign THEN
        RAISE EXCEPTION 'the amount of a % has to be %, not %', NEW.type,
                        CASE rule.sign WHEN -1 THEN 'negative' ELSE 'positive' END, NEW.amount
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_has_its_types_sign',
                  HINT = 'Negative amounts draw down, positive ones give.';
    END IF;
    IF (CASE rule.needs
            WHEN 'invoice_id' THEN NEW.invoice_id IS NULL
            WHEN 'new_contract_id' THEN NEW.new_contract_id IS NULL
            WHEN 'reason' THEN coalesce(NEW.reason, '') = ''
            WHEN 'transaction_type_id' THEN NEW.transaction_type_id IS NULL
            ELSE false
        END)
    THEN
        RAISE EXCEPTION 'a % needs its %', NEW.type, rule.needs
            USING ERRCODE = 'not_null_violation', COLUMN = rule.needs;
    END IF;
    IF NEW.transaction_type_id IS NOT NULL
       AND EXISTS (SELECT FROM transaction_type t
                    WHERE t.id = NEW.transaction_type_id AND t.archived)
    THEN
        RAISE EXCEPTION 'transaction type % is archived', NEW.transaction_type_id
            USING ERRCODE = 'object_not_in_prerequisite_state', COLUMN = 'transaction_type_id';
    END IF;

    NEW.timestamp := coalesce(NEW.timestamp, starting_at);
    NEW.seq := NULL;
    NEW.running_amount := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_insert BEFORE INSERT ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_check();

CREATE FUNCTION ledger_entry_refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'a ledger entry is never changed or removed'
        USING ERRCODE = 'restrict_violation',
              HINT = 'Insert an entry that corrects it.';
END
$$;

-- Filling in the position, once and from a trigger, is the exception.
CREATE TRIGGER refuse_update BEFORE UPDATE ON ledger_entry
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 OR OLD.seq IS NOT NULL OR NEW.seq IS NULL)
    EXECUTE FUNCTION ledger_entry_refuse_change();

CREATE TRIGGER refuse_delete BEFORE DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_entry_refuse_change();

-- An archived balance takes only what gives back: the invoices that drew on it may still be voided
-- or credited.
CREATE FUNCTION ledger_entry_check_archived() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET effective_cache_size = '8kB'
AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT b.id INTO bad
      FROM (SELECT DISTINCT n.customer_id, n.balance_id FROM new_rows n
             WHERE n.type NOT IN ('PREPAID_COMMIT_CANCELED', 'POSTPAID_COMMIT_CANCELED',
                                  'CREDIT_CANCELED', 'ACCOUNT_BALANCE_CANCELED',
                                  'PREPAID_COMMIT_CREDITED', 'POSTPAID_COMMIT_CREDITED',
                                  'CREDIT_CREDITED')) w
      JOIN balance b ON b.customer_id = w.customer_id AND b.id = w.balance_id
     WHERE b.archived_at IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'balance % is archived', bad
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER step2_archived AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_check_archived();

-- One update per segment, however many entries a statement brings. Before the tables are analyzed the
-- planner takes the customer's index for as good as the primary key, unless pages cost it something.
CREATE FUNCTION ledger_entry_add_totals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET effective_cache_size = '8kB'
AS $$
BEGIN
    UPDATE segment s
       SET total_final = s.total_final + d.final,
           total_manual = s.total_manual + d.manual,
           total_other = s.total_other + d.other,
           entry_count = s.entry_count + d.entries
      FROM (SELECT n.customer_id, n.balance_id, n.segment_id, count(*) AS entries,
                   coalesce(sum(n.amount) FILTER (WHERE r.total = 'FINAL'), 0) AS final,
                   coalesce(sum(n.amount) FILTER (WHERE r.total = 'MANUAL'), 0) AS manual,
                   coalesce(sum(n.amount) FILTER (WHERE r.total = 'OTHER'), 0) AS other
              FROM new_rows n
              JOIN ledger_entry_rule r ON r.type = n.type
             GROUP BY n.customer_id, n.balance_id, n.segment_id) d
     WHERE s.customer_id = d.customer_id AND s.balance_id = d.balance_id AND s.id = d.segment_id;
    RETURN NULL;
END
$$;

CREATE TRIGGER step3_totals AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_add_totals();

-- Here and not when the row is made, because only now does nobody else add to these balances.
CREATE FUNCTION ledger_entry_set_positions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET effective_cache_size = '8kB'
AS $$
BEGIN
    UPDATE ledger_entry e
       SET seq = coalesce(p.seq, 0) + n.place,
           running_amount = coalesce(p.running_amount, 0) + n.running
      FROM (SELECT a.customer_id, a.balance_id, a.timestamp, a.type, a.id,
                   row_number() OVER w AS place, sum(a.amount) OVER w AS running
              FROM (SELECT *, row_number() OVER () AS written FROM new_rows
                     WHERE type IN ('ACCOUNT_BALANCE_TRANSACTION', 'ACCOUNT_BALANCE_DEDUCTION',
                                    'ACCOUNT_BALANCE_CANCELED')) a
            WINDOW w AS (PARTITION BY a.customer_id, a.balance_id ORDER BY a.written)) n
      LEFT JOIN LATERAL (SELECT l.seq, l.running_amount FROM ledger_entry l
                          WHERE l.customer_id = n.customer_id AND l.balance_id = n.balance_id
                            AND l.seq IS NOT NULL
                          ORDER BY l.seq DESC LIMIT 1) p ON true
     WHERE e.customer_id = n.customer_id AND e.balance_id = n.balance_id
       AND e.timestamp = n.timestamp AND e.type = n.type AND e.id = n.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER step4_positions AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_set_positions();

-- Draft deductions --------------------------------------------------------------------------------

CREATE FUNCTION draft_deduction_check() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off
AS $$
BEGIN
    IF num_nulls(NEW.customer_id, NEW.balance_id, NEW.segment_id) = 0
       AND NOT EXISTS (SELECT FROM segment s
                        WHERE s.customer_id = NEW.customer_id AND s.balance_id = NEW.balance_id
                          AND s.id = NEW.segment_id)
    THEN
        PERFORM refuse_unknown_segment(NEW.customer_id, NEW.balance_id, NEW.segment_id);
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_row BEFORE INSERT OR UPDATE ON draft_deduction
    FOR EACH ROW EXECUTE FUNCTION draft_deduction_check();

CREATE FUNCTION draft_deduction_check_archived() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET effective_cache_size = '8kB'
AS $$
DECLARE
    bad uuid;
BEGIN
    SELECT b.id INTO bad
      FROM new_rows n
      JOIN balance b ON b.customer_id = n.customer_id AND b.id = n.balance_id
     WHERE b.archived_at IS NOT NULL
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'balance % is archived', bad
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END
$$;

-- A draft that is there already may still change: its invoice is still open.
CREATE TRIGGER step2_archived AFTER INSERT ON draft_deduction
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION draft_deduction_check_archived();

CREATE FUNCTION draft_deduction_add_totals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = balances, pg_temp SET enable_seqscan = off SET enable_hashjoin = off
SET enable_mergejoin = off SET effective_cache_size = '8kB'
AS $$
BEGIN
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        UPDATE segment s
           SET total_draft = s.total_draft + d.draft, entry_count = s.entry_count + d.drafts
          FROM (SELECT n.customer_id, n.balance_id, n.segment_id, sum(n.amount) AS draft,
                       count(*) AS drafts
                  FROM new_rows n
                 GROUP BY n.customer_id, n.balance_id, n.segment_id) d
         WHERE s.customer_id = d.customer_id AND s.balance_id = d.balance_id
           AND s.id = d.segment_id;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        UPDATE segment s
           SET total_draft = s.total_draft - d.draft, entry_count = s.entry_count - d.drafts
          FROM (SELECT o.customer_id, o.balance_id, o.segment_id, sum(o.amount) AS draft,
                       count(*) AS drafts
                  FROM old_rows o
                 GROUP BY o.customer_id, o.balance_id, o.segment_id) d
         WHERE s.customer_id = d.customer_id AND s.balance_id = d.balance_id
           AND s.id = d.segment_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER step3_totals_insert AFTER INSERT ON draft_deduction
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION draft_deduction_add_totals();

CREATE TRIGGER step3_totals_update AFTER UPDATE ON draft_deduction
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION draft_deduction_add_totals();

CREATE TRIGGER step3_totals_delete AFTER DELETE ON draft_deduction
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION draft_deduction_add_totals();
