-- A transaction of an account balance, by a user of the API. A trigger gives it its place.
--
-- $1 customer  $2 balance  $3 segment  $4 id  $5 amount as text  $6 when it is applied
-- $7 description or null  $8 transaction type  $9 transaction date  $10 paid as text or null
-- $11 currency paid or null  $12 when it was made
INSERT INTO ledger_entry (customer_id, balance_id, segment_id, id, type, amount, timestamp, reason,
                          transaction_type_id, transaction_date, paid, currency_paid, entity_type,
                          created_at)
VALUES ($1, $2, $3, $4, 'ACCOUNT_BALANCE_TRANSACTION', $5::text::numeric, $6, $7::text, $8, $9,
        $10::text::numeric, $11::text, 'USER', $12)
