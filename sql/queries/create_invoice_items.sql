-- The invoice schedule of a new commit.
--
-- $1 customer  $2 balance  $3 ids  $4 timestamps  $5 amounts, $6 unit prices, $7 quantities as text or null
INSERT INTO invoice_schedule_item (customer_id, balance_id, id, timestamp, amount, unit_price, quantity)
SELECT $1, $2, n.id, n.at, n.amount::numeric, n.unit_price::numeric, n.quantity::numeric
FROM unnest($3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
     AS n (id, at, amount, unit_price, quantity)
