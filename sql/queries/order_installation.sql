-- $1 the order
UPDATE installation SET credit_application_order = $1::text[]::credit_application[]
