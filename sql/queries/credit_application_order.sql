-- The order in which credit burns, and whether the customer has it from the installation.
--
-- $1 customer, or the id of all zeros for the installation's own
SELECT v.version, coalesce(c.credit_application_order, i.credit_application_order)::text[],
       c.customer_id IS NOT NULL AND c.credit_application_order IS NULL
FROM ledger_version v
CROSS JOIN installation i
LEFT JOIN customer c ON c.customer_id = v.customer_id
WHERE v.customer_id = $1
