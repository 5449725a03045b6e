-- $1 customer  $2 name
UPDATE customer c SET name = $2::text WHERE c.customer_id = $1
