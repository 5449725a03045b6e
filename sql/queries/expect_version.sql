-- Locks a customer's ledger until the end of the transaction, if it is as the writer saw it.
--
-- $1 customer  $2 version
SELECT expect_version($1, $2)
