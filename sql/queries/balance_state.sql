-- What a write to one balance decides on: one row, whoever the customer is.
--
-- $1 customer  $2 request id or null  $3 balance  $4 uniqueness key of an entry or null
-- $5 whether its deductions are wanted, which have to be searched for
-- $6 contract that it is to go to, or null: then what it has carried already is wanted
-- $7 invoice or null
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       EXISTS (SELECT FROM ledger_entry e
               WHERE e.customer_id = $1 AND e.uniqueness_key = $4::text),
       k.id IS NOT NULL, k.archived_at IS NOT NULL,
       bill.id IS NOT NULL, coalesce(bill.status = 'FINALIZED', false),
       coalesce(bill.status = 'VOID', false),
       b.id, b.kind, b.archived_at IS NOT NULL, b.contract_id,
       coalesce(b.contract_id, b.invoice_contract_id), b.product_id, b.credit_type_id,
       b.true_up_disabled, b.rolled_over_from_balance_id IS NOT NULL, b.rollover_fraction,
       CASE WHEN $6::uuid IS NULL THEN 0
       ELSE (SELECT coalesce(-sum(e.amount), 0) FROM ledger_entry e
             WHERE e.customer_id = b.customer_id AND e.balance_id = b.id
               AND e.type IN ('PREPAID_COMMIT_ROLLOVER', 'POSTPAID_COMMIT_ROLLOVER',
                              'CREDIT_ROLLOVER'))
       END,
       ARRAY(SELECT ROW(s.id, s.role, s.starting_at, s.ending_before,
                        s.amount, s.total_final, s.total_draft, s.total_manual, s.total_other,
                        s.entry_count,
                        CASE WHEN $5::boolean AND s.total_final <> 0 THEN
                            (SELECT max(e.timestamp) FROM ledger_entry e
                             WHERE e.customer_id = s.customer_id AND e.balance_id = s.balance_id
                               AND e.segment_id = s.id
                               AND e.type IN ('PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
                                              'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
                                              'CREDIT_AUTOMATED_INVOICE_DEDUCTION',
                                              'ACCOUNT_BALANCE_DEDUCTION')
                               AND NOT EXISTS (
                                   SELECT FROM ledger_entry g
                                   WHERE g.customer_id = e.customer_id
                                     AND g.invoice_id = e.invoice_id
                                     AND g.balance_id = e.balance_id
                                     AND g.segment_id = e.segment_id
                                     AND g.type IN ('PREPAID_COMMIT_CANCELED',
                                                    'POSTPAID_COMMIT_CANCELED',
                                                    'CREDIT_CANCELED',
                                                    'ACCOUNT_BALANCE_CANCELED')))
                        END)
             FROM segment s
             WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
             ORDER BY s.starting_at, s.ending_before, s.id),
       ARRAY(SELECT ROW(i.id, i.timestamp, i.invoice_id IS NOT NULL,
                        coalesce(n.status = 'VOID', false))
             FROM invoice_schedule_item i
             LEFT JOIN invoice n ON n.customer_id = i.customer_id AND n.id = i.invoice_id
             WHERE i.customer_id = b.customer_id AND i.balance_id = b.id
             ORDER BY i.timestamp, i.id)
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN balance b ON b.customer_id = asked.customer_id AND b.id = $3
LEFT JOIN contract k ON k.customer_id = asked.customer_id AND k.id = $6
LEFT JOIN invoice bill ON bill.customer_id = asked.customer_id AND bill.id = $7::uuid
