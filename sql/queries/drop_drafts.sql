-- Deductions that draft invoices make no more.
--
-- $1 customer  $2 invoices  $3 balances  $4 segments
DELETE FROM draft_deduction d
USING unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS n (invoice_id, balance_id, segment_id)
WHERE d.customer_id = $1 AND d.balance_id = n.balance_id AND d.segment_id = n.segment_id
  AND d.invoice_id = n.invoice_id
