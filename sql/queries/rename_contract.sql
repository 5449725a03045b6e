-- $1 customer  $2 contract  $3 name
UPDATE contract k SET name = $3::text WHERE k.customer_id = $1 AND k.id = $2
