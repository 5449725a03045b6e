-- Customers whose ledgers have changed, with their newest versions: a row each, as many as wanted.
--
-- $1 rows at most
SELECT c.customer_id, max(c.version)
FROM (SELECT l.customer_id, l.version FROM ledger_change l LIMIT $1) c
GROUP BY c.customer_id
