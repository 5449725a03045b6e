-- A trigger archives its balances.
--
-- $1 customer  $2 contract
UPDATE contract k SET archived_at = transaction_timestamp()
WHERE k.customer_id = $1 AND k.id = $2
