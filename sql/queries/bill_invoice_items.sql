-- Names the invoice on a commit's items that no invoice bills, or only one that is void: while it stands, the
-- commit is invoiced.
--
-- $1 customer  $2 commit  $3 invoice
UPDATE invoice_schedule_item i SET invoice_id = $3
WHERE i.customer_id = $1 AND i.balance_id = $2
  AND (i.invoice_id IS NULL
       OR EXISTS (SELECT FROM invoice n
                  WHERE n.customer_id = i.customer_id AND n.id = i.invoice_id AND n.status = 'VOID'))
