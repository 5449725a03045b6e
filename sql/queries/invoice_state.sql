-- What the end of an invoice decides on: one row, whoever the customer is. Who voids it asks for what it has
-- done, who finalizes it for what stands in its drafts' way.
--
-- $1 customer  $2 request id or null  $3 invoice  $4 whether it is to be voided
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       n.id IS NOT NULL, coalesce(n.status = 'FINALIZED', false), coalesce(n.status = 'VOID', false),
       EXISTS (SELECT FROM draft_deduction d WHERE d.customer_id = $1 AND d.invoice_id = $3),
       CASE WHEN NOT $4::boolean THEN
           (SELECT d.balance_id FROM draft_deduction d
            JOIN balance b ON b.customer_id = d.customer_id AND b.id = d.balance_id
            WHERE d.customer_id = $1 AND d.invoice_id = $3 AND b.archived_at IS NOT NULL
            ORDER BY d.balance_id LIMIT 1)
       END,
       CASE WHEN NOT $4::boolean THEN
           (SELECT d.segment_id FROM draft_deduction d
            JOIN segment s ON s.customer_id = d.customer_id AND s.balance_id = d.balance_id
                          AND s.id = d.segment_id
            WHERE d.customer_id = $1 AND d.invoice_id = $3
              AND abs(s.total_final + d.amount) >= 1e26
            ORDER BY d.segment_id LIMIT 1)
       END,
       CASE WHEN $4::boolean THEN
           ARRAY(SELECT ROW(t.balance_id, t.segment_id, b.kind, t.taken, t.credited, t.canceled, t.at,
                            t.contract_id, s.total_other)
                 FROM (SELECT e.balance_id, e.segment_id,
                              coalesce(sum(e.amount) FILTER (WHERE e.role = 'TAKEN'), 0) AS taken,
                              coalesce(sum(e.amount) FILTER (WHERE e.role = 'CREDITED'), 0) AS credited,
                              bool_or(e.role = 'CANCELED') AS canceled,
                              max(e.timestamp) AS at, max(e.contract_id::text) AS contract_id
                       -- Each part is worded as its index is.
                       FROM (SELECT 'TAKEN' AS role, balance_id, segment_id, amount, timestamp, contract_id
                             FROM ledger_entry
                             WHERE customer_id = $1 AND invoice_id = $3
                               AND type IN ('PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
                                            'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
                                            'CREDIT_AUTOMATED_INVOICE_DEDUCTION',
                                            'ACCOUNT_BALANCE_DEDUCTION')
                             UNION ALL
                             SELECT 'CANCELED', balance_id, segment_id, amount, timestamp, contract_id
                             FROM ledger_entry
                             WHERE customer_id = $1 AND invoice_id = $3
                               AND type IN ('PREPAID_COMMIT_CANCELED', 'POSTPAID_COMMIT_CANCELED',
                                            'CREDIT_CANCELED', 'ACCOUNT_BALANCE_CANCELED')
                             UNION ALL
                             SELECT CASE WHEN amount < 0 THEN 'TAKEN' ELSE 'CREDITED' END, balance_id,
                                    segment_id, amount, timestamp, contract_id
                             FROM ledger_entry
                             WHERE customer_id = $1 AND invoice_id = $3
                               AND type IN ('POSTPAID_COMMIT_TRUEUP', 'PREPAID_COMMIT_CREDITED',
                                            'POSTPAID_COMMIT_CREDITED', 'CREDIT_CREDITED')) e
                       GROUP BY e.balance_id, e.segment_id) t
                 JOIN balance b ON b.customer_id = $1 AND b.id = t.balance_id
                 JOIN segment s ON s.customer_id = $1 AND s.balance_id = t.balance_id
                               AND s.id = t.segment_id
                 ORDER BY t.balance_id, t.segment_id)
       END
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN invoice n ON n.customer_id = asked.customer_id AND n.id = $3::uuid
