-- The foreign key of the ledger refuses to let go of one that is used.
--
-- $1 id
DELETE FROM transaction_type t WHERE t.id = $1
