-- What a void and a rollover look for in the ledger, beside the deductions and the cancellations,
-- which have indexes of their own.

CREATE INDEX ledger_entry_by_invoice ON ledger_entry (customer_id, invoice_id)
    WHERE type IN ('POSTPAID_COMMIT_TRUEUP', 'PREPAID_COMMIT_CREDITED', 'POSTPAID_COMMIT_CREDITED',
                   'CREDIT_CREDITED');

CREATE INDEX ledger_entry_rollovers ON ledger_entry (customer_id, balance_id)
    WHERE type IN ('PREPAID_COMMIT_ROLLOVER', 'POSTPAID_COMMIT_ROLLOVER', 'CREDIT_ROLLOVER');
