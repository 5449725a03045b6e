-- Whose ledger has come to which version because this transaction renamed a product.
--
-- $1 product  $2 rows at most
SELECT v.customer_id, v.version
FROM (SELECT DISTINCT b.customer_id FROM balance b WHERE b.product_id = $1) s
JOIN ledger_version v ON v.customer_id = s.customer_id
WHERE v.xid = pg_current_xact_id_if_assigned() AND v.changed_at = transaction_timestamp()
LIMIT $2
