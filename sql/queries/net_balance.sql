-- What GetNetBalance adds up: a row for each segment that has not ended, of the balances in one credit
-- type that are not archived; at least one row if the customer exists, with nulls if there is nothing.
-- Upcoming segments are in, since they say when the answer changes next.
--
-- $1 customer  $2 now  $3 credit type  $4 whether custom fields are wanted
SELECT v.version,
       EXISTS (SELECT FROM credit_type t WHERE t.id = $3),
       b.id, b.kind, b.allow_overdraft, b.rollover_amount,
       CASE WHEN $4 THEN ARRAY(SELECT ROW(f.key, f.value) FROM jsonb_each_text(b.custom_fields) f) END,
       s.role, s.starting_at, s.ending_before,
       s.amount, s.total_final, s.total_draft, s.total_manual, s.total_other,
       -- What a rollover carries follows from the segment before it, which has ended.
       CASE WHEN s.role = 'ROLLOVER' THEN
           ARRAY(SELECT ROW(a.role, a.starting_at, a.ending_before,
                            a.amount, a.total_final, a.total_draft, a.total_manual, a.total_other)
                 FROM segment a
                 WHERE a.customer_id = s.customer_id AND a.balance_id = s.balance_id
                   AND a.role = 'ACCESS')
       END
FROM ledger_version v
-- OFFSET keeps the planner from seeing that the balances are the same customer's. It would look up all
-- of them for each segment, which is quadratic, instead of the one by its id.
LEFT JOIN ((SELECT s.* FROM segment s WHERE s.customer_id = $1 AND s.ending_before > $2 OFFSET 0) s
           JOIN balance b ON b.customer_id = s.customer_id AND b.id = s.balance_id
                         AND b.archived_at IS NULL AND b.credit_type_id = $3)
       ON true
WHERE v.customer_id = $1
