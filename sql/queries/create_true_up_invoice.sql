-- The invoice that bills what is left of a commit, which is final from the start.
--
-- $1 customer  $2 invoice  $3 commit  $4 instant
INSERT INTO invoice (customer_id, id, status, contract_id, service_period_end, finalized_at)
SELECT b.customer_id, $2::uuid, 'FINALIZED', coalesce(b.invoice_contract_id, b.contract_id), $4::timestamptz,
       transaction_timestamp()
FROM balance b
WHERE b.customer_id = $1 AND b.id = $3
