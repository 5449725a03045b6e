-- $1 customer  $2 contract  $3 name
INSERT INTO contract (customer_id, id, name) VALUES ($1, $2, $3::text)
