-- What the making of a commit or credit decides on: one row, whoever the customer is.
--
-- $1 customer  $2 request id or null  $3 product  $4 credit type  $5 credit type of the invoices or null
-- $6 contract or null  $7 contract of the invoices or null  $8 uniqueness key or null
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       EXISTS (SELECT FROM balance b
               WHERE b.customer_id = $1 AND b.uniqueness_key = $8::text),
       EXISTS (SELECT FROM product p WHERE p.id = $3),
       EXISTS (SELECT FROM credit_type t WHERE t.id = $4),
       EXISTS (SELECT FROM credit_type t WHERE t.id = $5),
       own.id IS NOT NULL, own.archived_at IS NOT NULL,
       billed.id IS NOT NULL, billed.archived_at IS NOT NULL
FROM (VALUES ($1::uuid)) AS asked (customer_id)
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
LEFT JOIN contract own ON own.customer_id = asked.customer_id AND own.id = $6
LEFT JOIN contract billed ON billed.customer_id = asked.customer_id AND billed.id = $7
