-- $1 customer  $2 balance
UPDATE balance b SET archived_at = transaction_timestamp()
WHERE b.customer_id = $1 AND b.id = $2
