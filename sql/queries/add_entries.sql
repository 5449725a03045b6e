-- Ledger entries of one invoice, or of one rollover.
--
-- $1 customer  $2 invoice or null  $3 new contract or null
-- $4 balances  $5 segments  $6 types  $7 amounts as text  $8 timestamps  $9 contracts as text or null
INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, timestamp, invoice_id,
                          contract_id, new_contract_id)
SELECT $1, n.balance_id, n.segment_id, n.type::ledger_entry_type, n.amount::numeric, n.at, $2::uuid,
       n.contract_id::uuid, $3::uuid
FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[], $9::text[])
     AS n (balance_id, segment_id, type, amount, at, contract_id)
