-- What a transaction of an account balance is decided on: one row, whoever the customer is.
--
-- $1 customer  $2 request id or null  $3 balance  $4 transaction type
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       t.version, t.archived,
       b.id, b.kind, b.archived_at IS NOT NULL, b.allow_overdraft, b.rollover_amount,
       ARRAY(SELECT ROW(s.id, s.role, s.starting_at, s.ending_before,
                        s.amount, s.total_final, s.total_draft, s.total_manual, s.total_other)
             FROM segment s
             WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
               AND b.kind = 'ACCOUNT_BALANCE'
             ORDER BY s.starting_at),
       coalesce((SELECT e.running_amount FROM ledger_entry e
                 WHERE e.customer_id = $1 AND e.balance_id = $3 AND e.seq IS NOT NULL
                 ORDER BY e.seq DESC LIMIT 1), 0)
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN balance b ON b.customer_id = asked.customer_id AND b.id = $3
LEFT JOIN transaction_type t ON t.id = $4
