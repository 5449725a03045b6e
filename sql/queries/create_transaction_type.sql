-- $1 id  $2 name  $3 code or null
INSERT INTO transaction_type (id, name, code) VALUES ($1, $2::text, $3::text)
