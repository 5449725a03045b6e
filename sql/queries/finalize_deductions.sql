-- Enters the deductions of a draft invoice into the ledger.
--
-- $1 customer  $2 invoice
INSERT INTO ledger_entry (customer_id, balance_id, segment_id, type, amount, timestamp, invoice_id,
                          contract_id)
SELECT d.customer_id, d.balance_id, d.segment_id,
       CASE b.kind
           WHEN 'PREPAID_COMMIT' THEN 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION'::ledger_entry_type
           WHEN 'POSTPAID_COMMIT' THEN 'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION'
           WHEN 'CREDIT' THEN 'CREDIT_AUTOMATED_INVOICE_DEDUCTION'
           WHEN 'ACCOUNT_BALANCE' THEN 'ACCOUNT_BALANCE_DEDUCTION'
       END,
       d.amount, d.timestamp, d.invoice_id, d.contract_id
FROM draft_deduction d
JOIN balance b ON b.customer_id = d.customer_id AND b.id = d.balance_id
WHERE d.customer_id = $1 AND d.invoice_id = $2
ORDER BY d.balance_id, d.segment_id
