-- Removes the changes that have been told: up to a version, for each customer.
--
-- $1 customers  $2 their versions: texts, as many of each
DELETE FROM ledger_change c
USING unnest($1::text[]::uuid[], $2::text[]::bigint[]) AS t (customer_id, version)
WHERE c.customer_id = t.customer_id AND c.version <= t.version
