-- What draft invoices deduct from segments: one row for each of both.
--
-- $1 customer  $2 invoices  $3 balances  $4 segments  $5 amounts as text
-- $6 timestamps  $7 contracts as text or null
INSERT INTO draft_deduction (customer_id, invoice_id, balance_id, segment_id, amount, timestamp, contract_id)
SELECT $1, n.invoice_id, n.balance_id, n.segment_id, n.amount::numeric, n.at, n.contract_id::uuid
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::text[])
     AS n (invoice_id, balance_id, segment_id, amount, at, contract_id)
ON CONFLICT (customer_id, balance_id, segment_id, invoice_id)
DO UPDATE SET amount = EXCLUDED.amount, timestamp = EXCLUDED.timestamp, contract_id = EXCLUDED.contract_id
