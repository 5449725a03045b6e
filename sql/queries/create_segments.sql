-- The access schedule of a new balance.
--
-- $1 customer  $2 balance  $3 ids  $4 amounts as text  $5 starts  $6 ends
INSERT INTO segment (customer_id, balance_id, id, amount, starting_at, ending_before)
SELECT $1, $2, n.id, n.amount::numeric, n.starting_at, n.ending_before
FROM unnest($3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[])
     AS n (id, amount, starting_at, ending_before)
