-- A page of ListBalances, ListCredits and ListCommits: a row for each balance, oldest first, with
-- everything that the answer shows of it; at least one row if the customer exists, with nulls if there
-- is nothing. The conditions preselect: whether a balance is shown, server/ledger/filter.c decides.
--
-- $1 customer  $2 now  $3, $4 created_at and id after which to start  $5 rows at most  $6 ids, or null for any
-- $7 commits?  $8 credits?  $9 account balances?  $10 contract-level too?  $11 archived too?
-- $12 covering, $13 starting at, $14 effective before: instant or null  $15 without zero balances?
-- $16 with ledgers?  $17 entries at most, in one ledger and in those before it together; the reasons, which
-- may be long, count as the entries whose room in an answer they take
-- $18 ends from, $19 ends before: instant or null, for the end of the last segment  $20 contract or null
WITH page AS MATERIALIZED (
    SELECT b.*
    FROM balance b
    WHERE b.customer_id = $1 AND (b.created_at, b.id) > ($3::timestamptz, $4::uuid)
      AND ($6::uuid[] IS NULL OR b.id = ANY ($6))
      AND CASE b.kind WHEN 'CREDIT' THEN $8::boolean WHEN 'ACCOUNT_BALANCE' THEN $9::boolean
          ELSE $7::boolean END
      AND ($10::boolean OR b.contract_id IS NULL)
      AND ($11::boolean OR b.archived_at IS NULL)
      AND ($12::timestamptz IS NULL
           OR EXISTS (SELECT FROM segment s
                      WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                        AND s.starting_at <= $12 AND s.ending_before > $12))
      AND ($13::timestamptz IS NULL
           OR EXISTS (SELECT FROM segment s
                      WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                        AND s.ending_before > $13))
      AND ($14::timestamptz IS NULL
           OR EXISTS (SELECT FROM segment s
                      WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                        AND s.starting_at < $14))
      AND ($18::timestamptz IS NULL
           OR EXISTS (SELECT FROM segment s
                      WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                        AND s.ending_before >= $18))
      AND ($19::timestamptz IS NULL
           OR NOT EXISTS (SELECT FROM segment s
                          WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                            AND s.ending_before >= $19))
      AND ($20::uuid IS NULL OR b.contract_id = $20)
      -- Only an active segment with something in it makes a balance other than zero.
      AND (NOT $15::boolean
           OR (b.archived_at IS NULL
               AND EXISTS (SELECT FROM segment s
                           WHERE s.customer_id = b.customer_id AND s.balance_id = b.id
                             AND s.starting_at <= $2 AND s.ending_before > $2
                             AND (s.role = 'ROLLOVER'
                                  OR s.amount + s.total_final + s.total_draft
                                     + s.total_manual + s.total_other <> 0))))
    ORDER BY b.created_at, b.id
    LIMIT $5
), sized AS MATERIALIZED (
    SELECT p.*,
           CASE WHEN $16 AND p.archived_at IS NULL THEN
               (SELECT coalesce(sum(s.entry_count), 0)::bigint FROM segment s
                WHERE s.customer_id = p.customer_id AND s.balance_id = p.id)
           ELSE 0 END AS entries
    FROM page p
), weighed AS MATERIALIZED (
    -- No entry takes less than 131 bytes. Lengths are known without reading the texts.
    SELECT z.*,
           z.entries + CASE WHEN z.entries BETWEEN 1 AND $17 THEN
               (SELECT coalesce(sum(octet_length(e.reason)), 0) / 131 FROM ledger_entry e
                WHERE e.customer_id = z.customer_id AND e.balance_id = z.id)
           ELSE 0 END AS weight
    FROM sized z
), counted AS MATERIALIZED (
    SELECT w.*,
           $16 AND w.archived_at IS NULL AND w.weight <= $17
           AND sum(w.weight) OVER (ORDER BY w.created_at, w.id) - w.weight < $17 AS with_ledger
    FROM weighed w
)
SELECT v.version,
       -- When the customer's answers change by themselves.
       (SELECT least(min(s.ending_before), min(s.starting_at) FILTER (WHERE s.starting_at > $2))
          FROM segment s WHERE s.customer_id = $1 AND s.ending_before > $2),
       b.id, b.created_at, b.kind, b.contract_id, b.archived_at,
       b.allow_overdraft, b.true_up_disabled, b.rollover_amount,
       t.id, t.name, b.name, b.description,
       ARRAY(SELECT ROW(f.key, f.value) FROM jsonb_each_text(b.custom_fields) f),
       b.product_id, p.name, b.priority, b.rate_type,
       b.applicable_contract_ids, b.applicable_product_ids, b.applicable_product_tags,
       ARRAY(SELECT ROW(e.s ->> 'product_id',
                        ARRAY(SELECT jsonb_array_elements_text(e.s -> 'product_tags')),
                        ARRAY(SELECT ROW(f.key, f.value)
                              FROM jsonb_each_text(e.s -> 'pricing_group_values') f),
                        ARRAY(SELECT ROW(f.key, f.value)
                              FROM jsonb_each_text(e.s -> 'presentation_group_values') f))
             FROM jsonb_array_elements(b.specifiers) WITH ORDINALITY AS e (s, nr)
             ORDER BY e.nr),
       b.rolled_over_from_balance_id, b.rolled_over_from_contract_id,
       b.child_access, b.child_contract_ids,
       b.netsuite_sales_order_id, b.salesforce_opportunity_id, b.uniqueness_key, b.recurring_id,
       b.invoice_contract_id, i.id, i.name, b.do_not_invoice, b.rollover_fraction,
       ARRAY(SELECT ROW(n.id, n.timestamp, n.amount, n.unit_price, n.quantity, n.invoice_id)
             FROM invoice_schedule_item n
             WHERE n.customer_id = b.customer_id AND n.balance_id = b.id
             ORDER BY n.timestamp, n.id),
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
       b.entries, b.with_ledger,
       CASE WHEN b.with_ledger THEN
           ARRAY(SELECT ROW(e.balance_id, e.segment_id, e.id, e.type, e.amount, e.timestamp,
                            e.invoice_id, e.contract_id, e.new_contract_id, e.reason,
                            e.transaction_type_id)
                 FROM ledger_entry e
                 WHERE e.customer_id = b.customer_id AND e.balance_id = b.id)
       END,
       CASE WHEN b.with_ledger THEN
           ARRAY(SELECT ROW(d.balance_id, d.segment_id, d.amount, d.timestamp, d.invoice_id,
                            d.contract_id)
                 FROM draft_deduction d
                 WHERE d.customer_id = b.customer_id AND d.balance_id = b.id)
       END
FROM ledger_version v
LEFT JOIN (counted b
           JOIN credit_type t ON t.id = b.credit_type_id
           LEFT JOIN product p ON p.id = b.product_id
           -- An invoice schedule is in USD (cents) where it does not say.
           LEFT JOIN credit_type i
                  ON i.id = coalesce(b.invoice_credit_type_id,
                                     '2714e483-4ff1-48e4-9e25-ac732e8f24f2'))
       ON b.customer_id = v.customer_id
WHERE v.customer_id = $1
ORDER BY b.created_at, b.id
