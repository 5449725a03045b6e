-- What a write to an account balance decides on: one row, whoever the customer is. What follows the uses
-- of its segments is the balance itself, column by column as list_balances.sql has it.
--
-- $1 customer  $2 request id or null  $3 balance or null  $4 code or null  $5 credit type or null
-- $6 contract or null
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       EXISTS (SELECT FROM balance o
               WHERE o.customer_id = $1 AND o.code = $4::text AND o.archived_at IS NULL
                 AND o.id IS DISTINCT FROM $3),
       y.name, k.id IS NOT NULL, k.archived_at IS NOT NULL,
       ARRAY(SELECT ROW(s.entry_count,
                        CASE WHEN s.total_final <> 0 THEN
                            (SELECT max(e.timestamp) FROM ledger_entry e
                             WHERE e.customer_id = s.customer_id AND e.balance_id = s.balance_id
                               AND e.segment_id = s.id AND e.type = 'ACCOUNT_BALANCE_DEDUCTION'
                               AND NOT EXISTS (
                                   SELECT FROM ledger_entry g
                                   WHERE g.customer_id = e.customer_id
                                     AND g.invoice_id = e.invoice_id
                                     AND g.balance_id = e.balance_id
                                     AND g.segment_id = e.segment_id
                                     AND g.type = 'ACCOUNT_BALANCE_CANCELED'))
                        END)
             FROM segment s
             WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
             ORDER BY s.starting_at, s.ending_before, s.id),
       b.id, b.created_at, b.kind, b.contract_id, b.archived_at,
       b.allow_overdraft, b.true_up_disabled, b.rollover_amount,
       t.id, t.name, b.name, b.description,
       ARRAY(SELECT ROW(f.key, f.value) FROM jsonb_each_text(b.custom_fields) f),
       -- What only commits and credits have.
       NULL::uuid, NULL::text, NULL::double precision, NULL::text,
       '{}'::uuid[], '{}'::uuid[], '{}'::text[], '{}'::record[],
       NULL::uuid, NULL::uuid, NULL::text, '{}'::uuid[],
       NULL::text, NULL::text, NULL::text, NULL::uuid,
       NULL::uuid, NULL::uuid, NULL::text, false, NULL::numeric, '{}'::record[],
       b.code, b.rollover_ending_before, b.draw_down_description,
       b.overage_surcharge_percent, b.overage_description,
       b.product_ids, b.line_item_types::text[],
       b.consumptions_accounting_product_id, b.fees_accounting_product_id,
       b.version, b.updated_at,
       ARRAY(SELECT ROW(s.id, s.role, s.starting_at, s.ending_before,
                        s.amount, s.total_final, s.total_draft, s.total_manual, s.total_other)
             FROM segment s
             WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
             ORDER BY s.starting_at, s.ending_before, s.id),
       0::bigint, false, NULL::record[], NULL::record[]
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN balance b ON b.customer_id = asked.customer_id AND b.id = $3 AND b.kind = 'ACCOUNT_BALANCE'
                   AND b.archived_at IS NULL
LEFT JOIN credit_type t ON t.id = b.credit_type_id
LEFT JOIN credit_type y ON y.id = $5
LEFT JOIN contract k ON k.customer_id = asked.customer_id AND k.id = $6
