-- A ledger entry that somebody made by hand.
--
-- $1 customer  $2 balance  $3 segment  $4 id  $5 type  $6 amount as text  $7 timestamp
-- $8 reason or null  $9 uniqueness key or null
INSERT INTO ledger_entry (customer_id, balance_id, segment_id, id, type, amount, timestamp, reason,
                          uniqueness_key)
VALUES ($1, $2, $3, $4, $5::text::ledger_entry_type, $6::text::numeric, $7, $8::text, $9::text)
