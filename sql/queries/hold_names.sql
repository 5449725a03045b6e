-- Before a balance is made: holds what it will show the name of, since whoever renames that locks it
-- before the customer's version, and two writers must lock in one order.
--
-- $1 product  $2 credit type  $3 credit type of the invoices or null
SELECT (SELECT p.id FROM product p WHERE p.id = $1 FOR SHARE),
       (SELECT t.id FROM credit_type t WHERE t.id = $2 FOR SHARE),
       (SELECT t.id FROM credit_type t WHERE t.id = $3 FOR SHARE)
