-- Balances and their schedules. One table holds all four kinds, because every list is over several
-- of them in one order; checks keep the columns of one kind away from the others.

CREATE TABLE balance (
    customer_id uuid NOT NULL REFERENCES customer,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind balance_kind NOT NULL,
    credit_type_id uuid NOT NULL DEFAULT '2714e483-4ff1-48e4-9e25-ac732e8f24f2'
        REFERENCES credit_type,
    -- Null: the balance is the customer's and not of one contract.
    contract_id uuid,
    name label,
    description prose,
    custom_fields custom_fields NOT NULL DEFAULT '{}',
    -- No floor at zero.
    allow_overdraft boolean NOT NULL DEFAULT false,
    created_at instant NOT NULL DEFAULT transaction_timestamp(),
    -- Every update counts one up and stamps the time, whatever the update says.
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    updated_at instant NOT NULL DEFAULT transaction_timestamp(),
    archived_at instant,

    -- Commits and credits.
    -- What the balance is invoiced as, not the usage that it covers.
    product_id uuid REFERENCES product,
    -- Lower burns first, none burns last.
    priority double precision CHECK (priority > '-Infinity' AND priority < 'Infinity'),
    rate_type rate_type,
    -- Empty: all contracts; all products, where both lists and the specifiers are empty.
    applicable_contract_ids id_list NOT NULL DEFAULT '{}',
    applicable_product_ids id_list NOT NULL DEFAULT '{}',
    applicable_product_tags tag_list NOT NULL DEFAULT '{}',
    specifiers specifiers,
    -- Where it came from is told, not enforced: it may be older than this database.
    rolled_over_from_balance_id uuid,
    rolled_over_from_contract_id uuid,
    child_access child_access,
    child_contract_ids id_list NOT NULL DEFAULT '{}',
    netsuite_sales_order_id label,
    salesforce_opportunity_id label,
    uniqueness_key uniqueness_key,
    -- What made it, where a recurring commit or credit did.
    recurring_id uuid,

    -- Commits.
    invoice_contract_id uuid,
    invoice_credit_type_id uuid REFERENCES credit_type,
    do_not_invoice boolean NOT NULL DEFAULT false,
    rollover_fraction amount CHECK (rollover_fraction BETWEEN 0 AND 1),

    -- Postpaid commits: the shortfall lapses instead of being billed.
    true_up_disabled boolean NOT NULL DEFAULT false,

    -- Account balances.
    code text CHECK (length(code) BETWEEN 1 AND 80 AND code = btrim(code)
                     AND code !~ '[\x01-\x1f\x7f-\x9f]'),
    -- At most this much stays usable until rollover_ending_before; null: all of it.
    rollover_amount amount CHECK (rollover_amount >= 0),
    rollover_ending_before instant,
    draw_down_description text CHECK (length(draw_down_description) <= 200),
    overage_surcharge_percent amount,
    overage_description text CHECK (length(overage_description) <= 200),
    -- Empty: all.
    product_ids id_list NOT NULL DEFAULT '{}',
    line_item_types line_item_types NOT NULL DEFAULT '{}',
    consumptions_accounting_product_id uuid,
    fees_accounting_product_id uuid,

    PRIMARY KEY (customer_id, id),
    FOREIGN KEY (customer_id, contract_id) REFERENCES contract,
    FOREIGN KEY (customer_id, invoice_contract_id) REFERENCES contract,

    CONSTRAINT commits_and_credits_have_a_product
        CHECK ((kind = 'ACCOUNT_BALANCE') = (product_id IS NULL)),
    CONSTRAINT account_balances_have_a_code_and_a_name
        CHECK (kind <> 'ACCOUNT_BALANCE' OR (code IS NOT NULL AND name IS NOT NULL)),
    CONSTRAINT only_commits_and_credits
        CHECK (kind <> 'ACCOUNT_BALANCE'
               OR (num_nonnulls(priority, rate_type, specifiers, rolled_over_from_balance_id,
                                rolled_over_from_contract_id, child_access, netsuite_sales_order_id,
                                salesforce_opportunity_id, uniqueness_key, recurring_id) = 0
                   AND cardinality(applicable_contract_ids) = 0
                   AND cardinality(applicable_product_ids) = 0
                   AND cardinality(applicable_product_tags) = 0)),
    CONSTRAINT only_commits
        CHECK (kind IN ('PREPAID_COMMIT', 'POSTPAID_COMMIT')
               OR (num_nonnulls(invoice_contract_id, invoice_credit_type_id, rollover_fraction) = 0
                   AND NOT do_not_invoice)),
    CONSTRAINT only_postpaid_commits
        CHECK (kind = 'POSTPAID_COMMIT' OR NOT true_up_disabled),
    CONSTRAINT only_account_balances
        CHECK (kind = 'ACCOUNT_BALANCE'
               OR (num_nonnulls(code, rollover_amount, rollover_ending_before,
                                draw_down_description, overage_surcharge_percent,
                                overage_description, consumptions_accounting_product_id,
                                fees_accounting_product_id) = 0
                   AND cardinality(product_ids) = 0 AND cardinality(line_item_types) = 0)),
    CONSTRAINT specifiers_or_applicable_products
        CHECK (specifiers IS NULL OR jsonb_array_length(specifiers) = 0
               OR (cardinality(applicable_product_ids) = 0
                   AND cardinality(applicable_product_tags) = 0)),
    CONSTRAINT rolled_over_from_balance_and_contract
        CHECK (num_nulls(rolled_over_from_balance_id, rolled_over_from_contract_id) <> 1),
    CONSTRAINT child_contract_ids_only_with_their_access
        CHECK (child_access IS NOT DISTINCT FROM 'CONTRACT_IDS'
               OR cardinality(child_contract_ids) = 0),
    CONSTRAINT rollover_amount_needs_rollover_ending_before
        CHECK (rollover_amount IS NULL OR rollover_ending_before IS NOT NULL)
);

-- The order of every list.
CREATE INDEX balance_by_age ON balance (customer_id, created_at, id);

-- Keys are never freed; the code of an account balance is, when it is archived.
CREATE UNIQUE INDEX balance_uniqueness_key ON balance (customer_id, uniqueness_key)
    WHERE uniqueness_key IS NOT NULL;
CREATE UNIQUE INDEX balance_code ON balance (customer_id, code)
    WHERE code IS NOT NULL AND archived_at IS NULL;

-- Who has to be told when a product changes its name. Credit types go without: there are few, and
-- one that changes its name concerns most of the table.
CREATE INDEX balance_by_product ON balance (product_id, customer_id) WHERE product_id IS NOT NULL;

-- A stretch of time and what may be used in it. It carries running totals of its entries, so that a
-- balance costs the same whatever the length of its ledger. Only triggers move them.
CREATE TABLE segment (
    customer_id uuid NOT NULL,
    balance_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    role segment_role NOT NULL DEFAULT 'ACCESS',
    -- 0 for account balances, which live by their transactions.
    amount amount NOT NULL CHECK (amount >= 0),
    starting_at instant NOT NULL,
    ending_before instant NOT NULL,
    -- Deductions of final invoices; deductions of draft invoices; what people entered; the rest.
    total_final amount NOT NULL DEFAULT 0,
    total_draft amount NOT NULL DEFAULT 0,
    total_manual amount NOT NULL DEFAULT 0,
    total_other amount NOT NULL DEFAULT 0,
    -- Stored entries and draft deductions.
    entry_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (customer_id, balance_id, id),
    FOREIGN KEY (customer_id, balance_id) REFERENCES balance,
    CONSTRAINT segment_ends_after_its_start CHECK (ending_before > starting_at)
) WITH (fillfactor = 70);
-- Room in the page and no total in any index: moving a total touches the heap alone.

-- A customer's segments that have not ended yet, past any number that have.
CREATE INDEX segment_by_end ON segment (customer_id, ending_before);

CREATE UNIQUE INDEX segment_one_rollover ON segment (customer_id, balance_id)
    WHERE role = 'ROLLOVER';

-- When the customer is invoiced how much for a commit.
CREATE TABLE invoice_schedule_item (
    customer_id uuid NOT NULL,
    balance_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    timestamp instant NOT NULL,
    amount amount,
    unit_price amount,
    quantity amount,
    invoice_id uuid,
    PRIMARY KEY (customer_id, balance_id, id),
    FOREIGN KEY (customer_id, balance_id) REFERENCES balance,
    CONSTRAINT amount_or_unit_price_and_quantity
        CHECK (CASE WHEN amount IS NULL THEN num_nulls(unit_price, quantity) = 0
                    ELSE num_nonnulls(unit_price, quantity) = 0
               END)
);
