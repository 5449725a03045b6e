-- Locks a transaction type that is used until the end of the transaction, if it is as the writer saw it.
--
-- $1 transaction type  $2 version
SELECT expect_transaction_type($1, $2)
