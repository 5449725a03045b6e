-- Draft invoices, each made by the first draw-down that names it.
--
-- $1 customer  $2 ids  $3 contracts as text or null  $4 ends of their service periods
INSERT INTO invoice (customer_id, id, contract_id, service_period_end)
SELECT $1, n.id, n.contract_id::uuid, n.service_period_end
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS n (id, contract_id, service_period_end)
