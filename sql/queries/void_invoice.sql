-- $1 customer  $2 invoice
UPDATE invoice n SET status = 'VOID', voided_at = transaction_timestamp()
WHERE n.customer_id = $1 AND n.id = $2
