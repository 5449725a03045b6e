-- $1 customer  $2 name
INSERT INTO customer (customer_id, name) VALUES ($1, $2::text)
