-- A page of ListLedgerEntries, oldest first: stored entries, deductions of drafts, and the segments whose
-- starts and ends make derived entries; at least one row if the customer exists, with nulls if there
-- is nothing. Stored entries come in their order and are cut at $11; the others are cut between
-- instants, since what stands first within one instant is not the database's to know.
--
-- $1 customer  $2 now  $3 balance or null  $4 types as text[] or null  $5, $6 from and until
-- $7, $8, $9 instant, type and id after which to start  $10 whether deductions are wanted
-- $11 rows at most, of each  $12 whether starts are wanted  $13 whether ends are wanted
WITH stored AS MATERIALIZED (
    (SELECT e.* FROM ledger_entry e
     WHERE $3::uuid IS NULL AND e.customer_id = $1
       AND e.timestamp >= $5 AND e.timestamp < $6
       AND (e.timestamp, e.type, e.id) > ($7::timestamptz, $8::ledger_entry_type, $9::uuid)
       AND ($4::text[] IS NULL OR e.type = ANY ($4::text[]::ledger_entry_type[]))
       AND EXISTS (SELECT FROM balance b WHERE b.customer_id = e.customer_id
                     AND b.id = e.balance_id AND b.archived_at IS NULL)
     ORDER BY e.timestamp, e.type, e.id
     LIMIT $11)
    UNION ALL
    (SELECT e.* FROM ledger_entry e
     WHERE $3::uuid IS NOT NULL AND e.customer_id = $1 AND e.balance_id = $3
       AND e.timestamp >= $5 AND e.timestamp < $6
       AND (e.timestamp, e.type, e.id) > ($7::timestamptz, $8::ledger_entry_type, $9::uuid)
       AND ($4::text[] IS NULL OR e.type = ANY ($4::text[]::ledger_entry_type[]))
       AND EXISTS (SELECT FROM balance b WHERE b.customer_id = e.customer_id
                     AND b.id = e.balance_id AND b.archived_at IS NULL)
     ORDER BY e.timestamp, e.type, e.id
     LIMIT $11)
), live AS (
    SELECT s.*, b.kind, b.true_up_disabled, b.rollover_amount
    FROM segment s
    JOIN balance b ON b.customer_id = s.customer_id AND b.id = s.balance_id
                  AND b.archived_at IS NULL
    WHERE s.customer_id = $1 AND ($3::uuid IS NULL OR s.balance_id = $3)
), turns AS (
    -- What a segment's start and end make, by instant. A rollover begins where another ends.
    SELECT l.balance_id, l.id, l.starting_at AS at FROM live l
    WHERE $12 AND l.starting_at <= $2 AND (l.amount > 0 OR l.role = 'ROLLOVER')
    UNION ALL
    SELECT l.balance_id, l.id, l.ending_before FROM live l
    WHERE $13 AND l.ending_before <= $2
), near_turns AS MATERIALIZED (
    SELECT n.*, true AS at_place FROM turns n WHERE n.at = $7 AND n.at >= $5 AND n.at < $6
    UNION ALL
    (SELECT n.*, false FROM turns n WHERE n.at > $7 AND n.at >= $5 AND n.at < $6
     ORDER BY n.at
     FETCH FIRST $11 ROWS WITH TIES)
), drafts AS MATERIALIZED (
    SELECT d.*, l.kind
    FROM draft_deduction d
    JOIN live l ON l.balance_id = d.balance_id AND l.id = d.segment_id
    WHERE d.customer_id = $1 AND $10
), near_drafts AS MATERIALIZED (
    SELECT d.*, true AS at_place FROM drafts d
    WHERE d.timestamp = $7 AND d.timestamp >= $5 AND d.timestamp < $6
    UNION ALL
    (SELECT d.*, false FROM drafts d
     WHERE d.timestamp > $7 AND d.timestamp >= $5 AND d.timestamp < $6
     ORDER BY d.timestamp
     FETCH FIRST $11 ROWS WITH TIES)
)
SELECT v.version,
       -- When the customer's answers change by themselves.
       (SELECT least(min(s.ending_before), min(s.starting_at) FILTER (WHERE s.starting_at > $2))
          FROM segment s WHERE s.customer_id = $1 AND s.ending_before > $2),
       ARRAY(SELECT ROW(e.balance_id, e.segment_id, e.id, e.type, e.amount, e.timestamp,
                        e.invoice_id, e.contract_id, e.new_contract_id, e.reason,
                        e.transaction_type_id)
             FROM stored e),
       ARRAY(SELECT ROW(d.kind, d.at_place,
                        d.balance_id, d.segment_id, d.amount, d.timestamp, d.invoice_id,
                        d.contract_id)
             FROM near_drafts d),
       ARRAY(SELECT ROW(n.at, n.at_place, l.kind, l.balance_id, l.true_up_disabled,
                        l.rollover_amount,
                        -- The balance's segments, this one first: a rollover needs the other.
                        ARRAY(SELECT ROW(s.id, s.role, s.starting_at, s.ending_before, s.amount,
                                         s.total_final, s.total_draft, s.total_manual,
                                         s.total_other)
                              FROM segment s
                              WHERE s.customer_id = v.customer_id AND s.balance_id = l.balance_id
                                AND (s.id = l.id OR l.kind = 'ACCOUNT_BALANCE')
                              ORDER BY s.id <> l.id))
             FROM near_turns n
             JOIN live l ON l.balance_id = n.balance_id AND l.id = n.id)
FROM ledger_version v
WHERE v.customer_id = $1
