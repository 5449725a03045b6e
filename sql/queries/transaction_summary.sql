-- What GetTransactionSummary is made of: one row if the customer exists. The totals of the segments have
-- all but what transactions put in and took out, which are told apart by adding up the balance's
-- transactions: null where that has more digits than an amount may have.
--
-- $1 customer  $2 balance
SELECT v.version, b.id, b.kind, b.archived_at IS NOT NULL, b.allow_overdraft, b.rollover_amount,
       ARRAY(SELECT ROW(s.id, s.role, s.starting_at, s.ending_before,
                        s.amount, s.total_final, s.total_draft, s.total_manual, s.total_other)
             FROM segment s
             WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
             ORDER BY s.starting_at),
       (SELECT CASE WHEN coalesce(sum(e.amount), 0) < 1e26 THEN coalesce(sum(e.amount), 0) END
        FROM ledger_entry e
        WHERE e.customer_id = $1 AND e.balance_id = $2
          AND e.type = 'ACCOUNT_BALANCE_TRANSACTION' AND e.amount > 0),
       coalesce((SELECT e.amount FROM ledger_entry e
                 WHERE e.customer_id = $1 AND e.balance_id = $2 AND e.seq IS NOT NULL
                   AND e.type = 'ACCOUNT_BALANCE_TRANSACTION' AND e.amount > 0
                 ORDER BY e.seq LIMIT 1), 0)
FROM ledger_version v
LEFT JOIN balance b ON b.customer_id = $1 AND b.id = $2 AND b.kind = 'ACCOUNT_BALANCE'
WHERE v.customer_id = $1
