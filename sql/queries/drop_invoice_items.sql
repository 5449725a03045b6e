-- Removes the invoice items of a commit at or after the new end of its invoices.
--
-- $1 customer  $2 balance  $3 end
DELETE FROM invoice_schedule_item i
WHERE i.customer_id = $1 AND i.balance_id = $2 AND i.timestamp >= $3
