-- What the setting of a credit application order decides on: one row, whoever the customer is.
--
-- $1 customer, or the id of all zeros for the installation's  $2 request id or null  $3 the order, or null
-- for the installation's
SELECT v.version, c.customer_id IS NOT NULL,
       l.method, l.request_hash, l.response, l.version,
       CASE WHEN c.customer_id IS NOT NULL THEN c.credit_application_order
            ELSE i.credit_application_order
       END IS NOT DISTINCT FROM $3::text[]::credit_application[]
FROM (VALUES ($1::uuid)) AS asked (customer_id)
CROSS JOIN installation i
LEFT JOIN ledger_version v ON v.customer_id = asked.customer_id
LEFT JOIN customer c ON c.customer_id = asked.customer_id
LEFT JOIN request_log l ON l.customer_id = asked.customer_id AND l.request_id = $2
