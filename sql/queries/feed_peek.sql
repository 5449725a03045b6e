-- Customers whose ledgers have changed, with their newest versions and the age of their oldest change in
-- microseconds: a row each, as many as wanted.
--
-- $1 rows at most
SELECT c.customer_id, max(c.version), (extract(epoch FROM clock_timestamp() - min(c.changed_at)) * 1000000)::bigint
FROM (SELECT l.customer_id, l.version, l.changed_at FROM ledger_change l LIMIT $1) c
GROUP BY c.customer_id
