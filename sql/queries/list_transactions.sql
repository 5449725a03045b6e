-- A page of what moved the amount of an account balance, oldest first; one row if the customer exists.
-- An archived balance has no ledger.
--
-- $1 customer  $2 balance  $3 transaction type or null  $4 entity type or null  $5 entity id or null
-- $6 number within the balance after which to start  $7 rows at most
SELECT v.version,
       EXISTS (SELECT FROM balance b
               WHERE b.customer_id = $1 AND b.id = $2 AND b.kind = 'ACCOUNT_BALANCE'),
       ARRAY(SELECT ROW(f.seq, f.id, f.balance_id, f.amount, f.reason, f.timestamp, f.transaction_date,
                        f.transaction_type_id, f.paid, f.currency_paid, f.entity_type, f.entity_id,
                        f.created_at, f.running_amount)
             FROM (SELECT e.seq, e.id, e.balance_id, e.amount, e.reason, e.timestamp,
                          e.transaction_date, e.transaction_type_id, e.paid, e.currency_paid,
                          -- What an invoice brought about need not say so again.
                          CASE WHEN e.type = 'ACCOUNT_BALANCE_TRANSACTION' THEN e.entity_type
                               ELSE coalesce(e.entity_type, 'BILL') END AS entity_type,
                          CASE WHEN e.type = 'ACCOUNT_BALANCE_TRANSACTION' THEN e.entity_id
                               ELSE coalesce(e.entity_id, e.invoice_id::text) END AS entity_id,
                          e.created_at, e.running_amount
                   FROM ledger_entry e
                   WHERE e.customer_id = $1 AND e.balance_id = $2 AND e.seq > $6::bigint
                     AND EXISTS (SELECT FROM balance b WHERE b.customer_id = e.customer_id
                                   AND b.id = e.balance_id AND b.archived_at IS NULL)) f
             WHERE ($3::uuid IS NULL OR f.transaction_type_id = $3)
               AND ($4::text IS NULL OR f.entity_type = $4::text::entity_type)
               AND ($5::text IS NULL OR f.entity_id = $5::text)
             ORDER BY f.seq
             LIMIT $7)
FROM ledger_version v
WHERE v.customer_id = $1
