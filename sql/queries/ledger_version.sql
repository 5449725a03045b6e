-- The version of a customer's ledger: one row, or none where there is no such customer.
--
-- $1 customer
SELECT v.version FROM ledger_version v WHERE v.customer_id = $1
