-- What a write to a transaction type decides on: one row, with the version of what belongs to no customer.
--
-- $1 the id of all zeros  $2 request id or null  $3 transaction type or null  $4 code or null
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       EXISTS (SELECT FROM transaction_type o WHERE o.code = $4::text AND o.id IS DISTINCT FROM $3),
       EXISTS (SELECT FROM ledger_entry e WHERE e.transaction_type_id = $3),
       t.id, t.name, t.code, t.archived, t.version
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN transaction_type t ON t.id = $3
