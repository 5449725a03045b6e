-- What draw-downs decide on: one row, whoever the customer is. Balances that are archived, in another credit
-- type, or without a segment in the time of the charges cannot cover any of them and are left out.
--
-- $1 customer  $2 request ids  $3 invoices  $4 contracts, $5 products and $6 credit types of charges
-- $7, $8 earliest and latest start of a charge
SELECT v.version, c.customer_id IS NOT NULL,
       ARRAY(SELECT ROW(l.request_id, l.method, l.request_hash, l.response, l.version)
             FROM request_log l
             WHERE l.customer_id = $1 AND l.request_id = ANY ($2::uuid[])),
       coalesce(c.credit_application_order, i.credit_application_order)::text[],
       ARRAY(SELECT k.id FROM contract k WHERE k.customer_id = $1 AND k.id = ANY ($4::uuid[])),
       ARRAY(SELECT t.id FROM credit_type t WHERE t.id = ANY ($6::uuid[])),
       ARRAY(SELECT ROW(p.id, p.tags) FROM product p WHERE p.id = ANY ($5::uuid[])),
       ARRAY(SELECT ROW(n.id, n.status = 'DRAFT', n.contract_id, n.service_period_end)
             FROM invoice n
             WHERE n.customer_id = $1 AND n.id = ANY ($3::uuid[])),
       ARRAY(SELECT ROW(b.id, b.kind, b.contract_id, b.allow_overdraft, b.rollover_amount,
                        b.credit_type_id, b.priority, b.rate_type,
                        b.rolled_over_from_balance_id IS NOT NULL,
                        b.applicable_contract_ids,
                        CASE b.kind WHEN 'ACCOUNT_BALANCE' THEN b.product_ids
                        ELSE b.applicable_product_ids END,
                        b.applicable_product_tags,
                        ARRAY(SELECT ROW(e.s ->> 'product_id',
                                         ARRAY(SELECT jsonb_array_elements_text(e.s -> 'product_tags')),
                                         ARRAY(SELECT ROW(f.key, f.value)
                                               FROM jsonb_each_text(e.s -> 'pricing_group_values') f),
                                         ARRAY(SELECT ROW(f.key, f.value)
                                               FROM jsonb_each_text(e.s -> 'presentation_group_values') f))
                              FROM jsonb_array_elements(b.specifiers) AS e (s)),
                        b.line_item_types::text[], b.overage_surcharge_percent,
                        -- Whether anything is paid for it.
                        EXISTS (SELECT FROM invoice_schedule_item m
                                WHERE m.customer_id = b.customer_id AND m.balance_id = b.id
                                  AND coalesce(m.amount, m.unit_price * m.quantity) <> 0),
                        -- How many products it names; null if none, which means all.
                        CASE WHEN cardinality(b.applicable_product_ids) > 0
                                  OR cardinality(b.applicable_product_tags) > 0
                                  OR EXISTS (SELECT FROM jsonb_array_elements(b.specifiers) AS e (s)
                                             WHERE e.s ? 'product_id'
                                                OR jsonb_array_length(e.s -> 'product_tags') > 0)
                        THEN (SELECT count(*)
                              FROM (SELECT unnest(b.applicable_product_ids)
                                    UNION
                                    SELECT (e.s ->> 'product_id')::uuid
                                    FROM jsonb_array_elements(b.specifiers) AS e (s)
                                    WHERE e.s ? 'product_id'
                                    UNION
                                    SELECT p.id FROM product p
                                    WHERE cardinality(b.applicable_product_tags) > 0
                                      AND p.tags && b.applicable_product_tags
                                    UNION
                                    SELECT p.id
                                    FROM jsonb_array_elements(b.specifiers) AS e (s)
                                    JOIN product p
                                      ON p.tags @> ARRAY(SELECT jsonb_array_elements_text(
                                                                    e.s -> 'product_tags'))
                                    WHERE NOT e.s ? 'product_id'
                                      AND jsonb_array_length(e.s -> 'product_tags') > 0) AS named)
                        END,
                        -- Of an account balance both, since a rollover holds what the other leaves.
                        ARRAY(SELECT ROW(s.id, s.role, s.starting_at, s.ending_before, s.amount,
                                         s.total_final, s.total_draft, s.total_manual, s.total_other)
                              FROM segment s
                              WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                                AND (b.kind = 'ACCOUNT_BALANCE'
                                     OR (s.ending_before > $7 AND s.starting_at <= $8))))
             -- OFFSET keeps the planner from looking up all of the customer's balances for each.
             FROM (SELECT DISTINCT s.balance_id FROM segment s
                   WHERE s.customer_id = $1 AND s.ending_before > $7 AND s.starting_at <= $8
                   OFFSET 0) AS near
             JOIN balance b ON b.customer_id = $1 AND b.id = near.balance_id
             WHERE b.archived_at IS NULL AND b.credit_type_id = ANY ($6::uuid[])),
       ARRAY(SELECT ROW(d.invoice_id, d.balance_id, d.segment_id, d.amount)
             FROM draft_deduction d
             WHERE d.customer_id = $1 AND d.invoice_id = ANY ($3::uuid[]))
FROM (VALUES ($1::uuid)) AS asked (customer_id)
CROSS JOIN installation i
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
