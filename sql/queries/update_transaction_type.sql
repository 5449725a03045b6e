-- $1 id  $2 name  $3 code or null  $4 archived?
UPDATE transaction_type t SET name = $2::text, code = $3::text, archived = $4 WHERE t.id = $1
