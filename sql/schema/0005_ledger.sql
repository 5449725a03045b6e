-- The ledger: entries that are never changed, the deductions of draft invoices that may be, and the
-- invoices themselves.
--
-- Starts and expirations are not stored. They follow from the schedule and are derived when they
-- are read, so they can never disagree with it.

-- What each type of entry may be, as data: the trigger that checks an entry and the one that adds
-- it up read their rules here.
CREATE TABLE ledger_entry_rule (
    type ledger_entry_type PRIMARY KEY,
    kind balance_kind NOT NULL,
    -- Which total of the segment it goes to: null for what is derived and never stored.
    total text CHECK (total IN ('FINAL', 'MANUAL', 'OTHER')),
    -- The sign that its amount has to have; 0: either.
    sign smallint NOT NULL CHECK (sign IN (-1, 0, 1)),
    -- The column that has to be filled in.
    needs text CHECK (needs IN ('invoice_id', 'new_contract_id', 'reason', 'transaction_type_id'))
);

INSERT INTO ledger_entry_rule (type, kind, total, sign, needs) VALUES
    ('PREPAID_COMMIT_SEGMENT_START',                'PREPAID_COMMIT',  NULL,      1, NULL),
    ('PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT',        'PREPAID_COMMIT',  'OTHER',   1, NULL),
    ('PREPAID_COMMIT_MANUAL',                       'PREPAID_COMMIT',  'MANUAL',  0, 'reason'),
    ('PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',  'PREPAID_COMMIT',  'FINAL',  -1, 'invoice_id'),
    ('PREPAID_COMMIT_CANCELED',                     'PREPAID_COMMIT',  'OTHER',   1, 'invoice_id'),
    ('PREPAID_COMMIT_CREDITED',                     'PREPAID_COMMIT',  'OTHER',   1, 'invoice_id'),
    ('PREPAID_COMMIT_ROLLOVER',                     'PREPAID_COMMIT',  'OTHER',  -1, 'new_contract_id'),
    ('PREPAID_COMMIT_EXPIRATION',                   'PREPAID_COMMIT',  NULL,      0, NULL),
    ('POSTPAID_COMMIT_INITIAL_BALANCE',             'POSTPAID_COMMIT', NULL,      1, NULL),
    ('POSTPAID_COMMIT_MANUAL',                      'POSTPAID_COMMIT', 'MANUAL',  0, 'reason'),
    ('POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', 'POSTPAID_COMMIT', 'FINAL',  -1, 'invoice_id'),
    ('POSTPAID_COMMIT_CANCELED',                    'POSTPAID_COMMIT', 'OTHER',   1, 'invoice_id'),
    ('POSTPAID_COMMIT_CREDITED',                    'POSTPAID_COMMIT', 'OTHER',   1, 'invoice_id'),
    ('POSTPAID_COMMIT_ROLLOVER',                    'POSTPAID_COMMIT', 'OTHER',  -1, 'new_contract_id'),
    ('POSTPAID_COMMIT_TRUEUP',                      'POSTPAID_COMMIT', 'OTHER',  -1, 'invoice_id'),
    ('POSTPAID_COMMIT_EXPIRATION',                  'POSTPAID_COMMIT', NULL,      0, NULL),
    ('CREDIT_SEGMENT_START',                        'CREDIT',          NULL,      1, NULL),
    ('CREDIT_SEAT_BASED_ADJUSTMENT',                'CREDIT',          'OTHER',   1, NULL),
    ('CREDIT_MANUAL',                               'CREDIT',          'MANUAL',  0, 'reason'),
    ('CREDIT_AUTOMATED_INVOICE_DEDUCTION',          'CREDIT',          'FINAL',  -1, 'invoice_id'),
    ('CREDIT_CANCELED',                             'CREDIT',          'OTHER',   1, 'invoice_id'),
    ('CREDIT_CREDITED',                             'CREDIT',          'OTHER',   1, 'invoice_id'),
    ('CREDIT_ROLLOVER',                             'CREDIT',          'OTHER',  -1, 'new_contract_id'),
    ('CREDIT_EXPIRATION',                           'CREDIT',          NULL,      0, NULL),
    ('ACCOUNT_BALANCE_TRANSACTION',                 'ACCOUNT_BALANCE', 'MANUAL',  0, 'transaction_type_id'),
    ('ACCOUNT_BALANCE_DEDUCTION',                   'ACCOUNT_BALANCE', 'FINAL',  -1, 'invoice_id'),
    ('ACCOUNT_BALANCE_CANCELED',                    'ACCOUNT_BALANCE', 'OTHER',   1, 'invoice_id'),
    ('ACCOUNT_BALANCE_ROLLOVER',                    'ACCOUNT_BALANCE', NULL,      0, NULL),
    ('ACCOUNT_BALANCE_EXPIRATION',                  'ACCOUNT_BALANCE', NULL,      0, NULL);

CREATE TABLE ledger_entry (
    customer_id uuid NOT NULL,
    balance_id uuid NOT NULL,
    segment_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    type ledger_entry_type NOT NULL,
    amount amount NOT NULL,
    -- When it takes effect; the segment's start where the writer does not say.
    timestamp instant NOT NULL,
    created_at instant NOT NULL DEFAULT transaction_timestamp(),
    -- An invoice may be another system's, and so may be the contract that a rollover went to.
    invoice_id uuid,
    contract_id uuid,
    new_contract_id uuid,
    reason prose,
    uniqueness_key uniqueness_key,

    -- Account balances.
    transaction_type_id uuid REFERENCES transaction_type,
    transaction_date instant,
    paid amount,
    currency_paid label,
    entity_type entity_type,
    entity_id label,
    -- Set by a trigger: 1, 2, 3, … within the balance in the order in which its entries came to
    -- count, and the balance's amount right after this one.
    seq bigint,
    running_amount amount,

    PRIMARY KEY (customer_id, balance_id, timestamp, type, id),
    FOREIGN KEY (customer_id, balance_id, segment_id) REFERENCES segment,
    CONSTRAINT only_account_balance_entries
        CHECK (type IN ('ACCOUNT_BALANCE_TRANSACTION', 'ACCOUNT_BALANCE_DEDUCTION',
                        'ACCOUNT_BALANCE_CANCELED')
               OR num_nonnulls(transaction_type_id, transaction_date, paid, currency_paid,
                               entity_type, entity_id, seq, running_amount) = 0)
);

-- The ledger of a customer. The primary key is that of a balance.
CREATE INDEX ledger_entry_by_time ON ledger_entry (customer_id, timestamp, type, id);

CREATE UNIQUE INDEX ledger_entry_uniqueness_key ON ledger_entry (customer_id, uniqueness_key)
    WHERE uniqueness_key IS NOT NULL;

-- An invoice is finalized once and voided once, so it deducts from a segment once, and gives that
-- back once.
CREATE UNIQUE INDEX ledger_entry_one_deduction
    ON ledger_entry (customer_id, invoice_id, balance_id, segment_id)
    WHERE type IN ('PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
                   'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
                   'CREDIT_AUTOMATED_INVOICE_DEDUCTION', 'ACCOUNT_BALANCE_DEDUCTION');
CREATE UNIQUE INDEX ledger_entry_one_cancellation
    ON ledger_entry (customer_id, invoice_id, balance_id, segment_id)
    WHERE type IN ('PREPAID_COMMIT_CANCELED', 'POSTPAID_COMMIT_CANCELED', 'CREDIT_CANCELED',
                   'ACCOUNT_BALANCE_CANCELED');

CREATE UNIQUE INDEX ledger_entry_seq ON ledger_entry (customer_id, balance_id, seq)
    WHERE seq IS NOT NULL;

-- Whether a transaction type is in use.
CREATE INDEX ledger_entry_by_transaction_type ON ledger_entry (transaction_type_id)
    WHERE transaction_type_id IS NOT NULL;

CREATE TABLE draft_deduction (
    customer_id uuid NOT NULL,
    balance_id uuid NOT NULL,
    segment_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    amount amount NOT NULL CONSTRAINT draft_deduction_is_negative CHECK (amount < 0),
    timestamp instant NOT NULL,
    contract_id uuid,
    PRIMARY KEY (customer_id, balance_id, segment_id, invoice_id),
    FOREIGN KEY (customer_id, balance_id, segment_id) REFERENCES segment
);

CREATE INDEX draft_deduction_by_invoice ON draft_deduction (customer_id, invoice_id);

CREATE TABLE invoice (
    customer_id uuid NOT NULL REFERENCES customer,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    status invoice_status NOT NULL DEFAULT 'DRAFT',
    contract_id uuid,
    service_period_end instant NOT NULL,
    created_at instant NOT NULL DEFAULT transaction_timestamp(),
    finalized_at instant,
    voided_at instant,
    PRIMARY KEY (customer_id, id),
    FOREIGN KEY (customer_id, contract_id) REFERENCES contract,
    CONSTRAINT invoice_has_the_times_of_its_status
        CHECK (CASE status
                   WHEN 'DRAFT' THEN num_nonnulls(finalized_at, voided_at) = 0
                   WHEN 'FINALIZED' THEN finalized_at IS NOT NULL AND voided_at IS NULL
                   ELSE voided_at IS NOT NULL
               END)
);
