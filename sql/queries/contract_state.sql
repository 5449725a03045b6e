-- What a write to a customer or one of their contracts decides on: one row, whoever the customer is.
--
-- $1 customer  $2 request id or null  $3 contract or null
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       c.name, k.id IS NOT NULL, k.name, k.archived_at IS NOT NULL
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN contract k ON k.customer_id = asked.customer_id AND k.id = $3
