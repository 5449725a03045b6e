-- $1 customer  $2 the order, or null for the installation's
UPDATE customer c SET credit_application_order = $2::text[]::credit_application[]
WHERE c.customer_id = $1
