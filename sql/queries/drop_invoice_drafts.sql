-- $1 customer  $2 invoice
DELETE FROM draft_deduction d
WHERE d.customer_id = $1 AND d.invoice_id = $2
