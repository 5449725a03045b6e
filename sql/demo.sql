-- The demo customers: each shows something. Loaded with psql by ./dev up, at every start.
--
-- Ids are fixed: the customer's number is the end of every id of theirs, and the second group says what
-- it is (ba: balance, 5e: segment, c0: contract, 1f: invoice). Dates count from the month in which
-- this is loaded, so there is always something past, current and upcoming. Loading again leaves the
-- ledgers as they are and moves the schedules along when a new month has begun.
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = balances;
SET LOCAL timezone = 'UTC';

CREATE FUNCTION pg_temp.id(customer integer, part text DEFAULT '0000') RETURNS uuid LANGUAGE sql STRICT
RETURN format('d0000000-%s-4000-8000-%s', part, lpad(customer::text, 12, '0'))::uuid;

-- The first of the month, so many months from now.
CREATE FUNCTION pg_temp.month(months integer) RETURNS timestamptz LANGUAGE sql
RETURN date_trunc('month', now()) + make_interval(months => months);

INSERT INTO credit_type (id, name) VALUES
    ('d0000000-0c7e-4000-8000-000000000001', 'Gems')
ON CONFLICT DO NOTHING;

INSERT INTO product (id, name, tags) VALUES
    ('d0000000-0b0d-4000-8000-000000000001', 'Platform usage', '{compute,storage}'),
    ('d0000000-0b0d-4000-8000-000000000002', 'Support', '{}')
ON CONFLICT DO NOTHING;

INSERT INTO transaction_type (id, name, code) VALUES
    ('d0000000-077e-4000-8000-000000000001', 'Top-up', 'top_up')
ON CONFLICT DO NOTHING;

INSERT INTO customer (customer_id, name, created_at)
SELECT pg_temp.id(nr), name, pg_temp.month(-30)
  FROM (VALUES (1, 'Acme Corporation (several segments)'),
               (2, 'Borealis Airlines (overdrawn)'),
               (3, 'Cascade Media (expired)'),
               (4, 'Dorado Shipping (postpaid)'),
               (5, 'Everest Labs (draft and voided invoices)'),
               (6, 'Fjord Energy (balances of contracts)'),
               (7, 'Granite Insurance (archived)'),
               (8, 'Helios Games (another credit type)'),
               (9, 'Iris Telecom (account balances with rollover)'),
               (10, 'Juniper Analytics (a long ledger)'),
               (11, 'Kestrel Foods (several pages)'),
               (12, 'Lumen Robotics (nothing yet)')) AS c (nr, name)
ON CONFLICT DO NOTHING;

INSERT INTO contract (customer_id, id, name, created_at)
SELECT pg_temp.id(nr), pg_temp.id(nr, part), name, pg_temp.month(-30)
  FROM (VALUES (1, 'c001', 'Enterprise agreement'), (4, 'c001', 'Pay as you go'),
               (6, 'c001', 'Headquarters'), (6, 'c002', 'Subsidiary'),
               (6, 'c003', 'Closed office')) AS c (nr, part, name)
ON CONFLICT DO NOTHING;

-- Balances -----------------------------------------------------------------------------------------

-- In the order in which lists show them.
INSERT INTO balance (customer_id, id, kind, contract_id, name, description, priority, allow_overdraft,
                     true_up_disabled, credit_type_id, custom_fields, rate_type, product_id, created_at)
SELECT pg_temp.id(nr), pg_temp.id(nr, part), kind::balance_kind, pg_temp.id(nr, contract), b.name,
       description, priority, overdraft, no_true_up, coalesce(t.id, '2714e483-4ff1-48e4-9e25-ac732e8f24f2'),
       fields::jsonb, CASE WHEN kind <> 'CREDIT' THEN 'COMMIT_RATE'::rate_type END,
       'd0000000-0b0d-4000-8000-000000000001', pg_temp.month(-26) + right(part, 2)::integer * interval '1 hour'
  FROM (VALUES
    (1, 'ba01', 'PREPAID_COMMIT', NULL, 'Annual commit', 'One segment a year: past, current, next.',
     10, false, false, NULL, '{"team": "search"}'),
    (1, 'ba02', 'CREDIT', NULL, 'Welcome credit', 'Burns first: the lowest priority.',
     1, false, false, NULL, '{"campaign": "launch"}'),
    (1, 'ba03', 'PREPAID_COMMIT', 'c001', 'Enterprise commit', 'Belongs to the contract: listed on request only.',
     20, false, false, NULL, '{}'),
    (2, 'ba01', 'CREDIT', NULL, 'Overdrawn credit', 'Its debt is remembered, but counts as zero.',
     1, false, false, NULL, '{}'),
    (2, 'ba02', 'PREPAID_COMMIT', NULL, 'Overdraft agreed', 'No floor: below zero, and counted as such.',
     2, true, false, NULL, '{}'),
    (2, 'ba03', 'PREPAID_COMMIT', NULL, 'Untouched commit', NULL, 3, false, false, NULL, '{}'),
    (3, 'ba01', 'PREPAID_COMMIT', NULL, 'Expired with a rest', 'The expiration takes what was left.',
     1, false, false, NULL, '{}'),
    (3, 'ba02', 'CREDIT', NULL, 'Expired in debt', 'The expiration gives back what was missing.',
     2, false, false, NULL, '{}'),
    (4, 'ba01', 'POSTPAID_COMMIT', 'c001', 'This year''s promise', 'What is not used is billed at the end.',
     1, false, false, NULL, '{}'),
    (4, 'ba02', 'POSTPAID_COMMIT', 'c001', 'Last year''s promise', 'Ended; the shortfall was billed.',
     1, false, false, NULL, '{}'),
    (4, 'ba03', 'POSTPAID_COMMIT', 'c001', 'A promise that lapsed', 'Ended; nothing is billed, so it expired.',
     1, false, true, NULL, '{}'),
    (5, 'ba01', 'PREPAID_COMMIT', NULL, 'Commit', 'Drawn on by a final, a voided and a draft invoice.',
     1, false, false, NULL, '{}'),
    (5, 'ba02', 'CREDIT', NULL, 'Credit', 'Drawn on by the draft invoice.', 2, false, false, NULL, '{}'),
    (6, 'ba01', 'PREPAID_COMMIT', NULL, 'Group commit', 'The customer''s own.', 1, false, false, NULL, '{}'),
    (6, 'ba02', 'PREPAID_COMMIT', 'c001', 'Headquarters only', NULL, 2, false, false, NULL, '{}'),
    (6, 'ba03', 'CREDIT', 'c002', 'Subsidiary only', NULL, 3, false, false, NULL, '{}'),
    (6, 'ba04', 'CREDIT', 'c003', 'Of the closed office', 'Archived with its contract.', 4, false, false, NULL, '{}'),
    (7, 'ba01', 'PREPAID_COMMIT', NULL, 'Live commit', NULL, 1, false, false, NULL, '{}'),
    (7, 'ba02', 'PREPAID_COMMIT', NULL, 'Archived commit', 'Hidden unless asked for; then without money or ledger.',
     2, false, false, NULL, '{}'),
    (8, 'ba01', 'CREDIT', NULL, 'Starter gems', 'Not money: ask for the net balance in gems.',
     1, false, false, 'Gems', '{}'),
    (8, 'ba02', 'PREPAID_COMMIT', NULL, 'Hosting', 'In USD (cents), as everything that does not say.',
     1, false, false, NULL, '{}'),
    (10, 'ba01', 'PREPAID_COMMIT', NULL, 'Busy commit', 'An invoice every hour.', 1, false, false, NULL, '{}')
  ) AS b (nr, part, kind, contract, name, description, priority, overdraft, no_true_up, credit_type, fields)
  LEFT JOIN credit_type t ON t.name = b.credit_type AND t.id = 'd0000000-0c7e-4000-8000-000000000001'
ON CONFLICT DO NOTHING;

UPDATE balance SET specifiers = '[{"product_tags": ["compute"], "pricing_group_values": {"region": "eu-1"}}]',
                   child_access = 'CONTRACT_IDS', child_contract_ids = ARRAY[pg_temp.id(6, 'c002')]
 WHERE customer_id = pg_temp.id(6) AND id = pg_temp.id(6, 'ba01') AND child_access IS NULL;

-- More than fits on a page.
INSERT INTO balance (customer_id, id, kind, name, priority, product_id, created_at)
SELECT pg_temp.id(11), pg_temp.id(11, 'ba' || lpad(to_hex(n), 2, '0')), 'CREDIT', format('Voucher %s', n), n,
       'd0000000-0b0d-4000-8000-000000000002', pg_temp.month(-26) + n * interval '1 hour'
  FROM generate_series(1, 60) n
ON CONFLICT DO NOTHING;

INSERT INTO balance (customer_id, id, kind, code, name, description, draw_down_description, rollover_amount,
                     rollover_ending_before, created_at)
SELECT pg_temp.id(9), pg_temp.id(9, part), 'ACCOUNT_BALANCE', code, name, description, 'Paid from your balance', 5000,
       pg_temp.month(rollover_ends), pg_temp.month(-26) + place * interval '1 hour'
  FROM (VALUES (1, 'ba01', 'current', 'Current balance', 'Topped up and drawn on.', 9),
               (2, 'ba02', 'rolled', 'Rolled-over balance', 'Has ended; at most 50.00 of its rest stay usable.', 3)
       ) AS b (place, part, code, name, description, rollover_ends)
ON CONFLICT DO NOTHING;

-- Schedules ----------------------------------------------------------------------------------------

-- A rollover has to end after its balance, so it moves along first.
UPDATE balance b SET rollover_ending_before = r.ending_before
  FROM (VALUES ('ba01', pg_temp.month(9)), ('ba02', pg_temp.month(3))) AS r (part, ending_before)
 WHERE b.customer_id = pg_temp.id(9) AND b.id = pg_temp.id(9, r.part)
   AND b.rollover_ending_before < r.ending_before;

INSERT INTO segment (customer_id, balance_id, id, amount, starting_at, ending_before)
SELECT pg_temp.id(nr), pg_temp.id(nr, balance), pg_temp.id(nr, part), amount, pg_temp.month(starts),
       pg_temp.month(ends)
  FROM (VALUES
    (1, 'ba01', '5e01', 1000000, -18, -6), (1, 'ba01', '5e02', 1200000, -6, 6), (1, 'ba01', '5e03', 1500000, 6, 18),
    (1, 'ba02', '5e04', 50000, -2, 4), (1, 'ba03', '5e05', 800000, -3, 9),
    (2, 'ba01', '5e01', 20000, -3, 9), (2, 'ba02', '5e02', 20000, -3, 9), (2, 'ba03', '5e03', 100000, -3, 9),
    (3, 'ba01', '5e01', 300000, -14, -2), (3, 'ba02', '5e02', 10000, -14, -2),
    (4, 'ba01', '5e01', 500000, -4, 8), (4, 'ba02', '5e02', 400000, -16, -4), (4, 'ba03', '5e03', 100000, -16, -4),
    (5, 'ba01', '5e01', 600000, -5, 7), (5, 'ba02', '5e02', 30000, -5, 7),
    (6, 'ba01', '5e01', 900000, -1, 11), (6, 'ba02', '5e02', 250000, -1, 11), (6, 'ba03', '5e03', 75000, -1, 11),
    (6, 'ba04', '5e04', 60000, -1, 11),
    (7, 'ba01', '5e01', 100000, -2, 10), (7, 'ba02', '5e02', 100000, -2, 10),
    (8, 'ba01', '5e01', 2500, -1, 11), (8, 'ba02', '5e02', 40000, -1, 11),
    (9, 'ba01', '5e01', 0, -6, 6), (9, 'ba02', '5e02', 0, -14, -1),
    (10, 'ba01', '5e01', 10000000, -9, 15)
  ) AS s (nr, balance, part, amount, starts, ends)
UNION ALL
SELECT pg_temp.id(11), pg_temp.id(11, 'ba' || lpad(to_hex(n), 2, '0')), pg_temp.id(11, '5e' || lpad(to_hex(n), 2, '0')),
       100 * n, pg_temp.month(-1), pg_temp.month(n)
  FROM generate_series(1, 60) n
ON CONFLICT (customer_id, balance_id, id) DO UPDATE
   SET starting_at = EXCLUDED.starting_at, ending_before = EXCLUDED.ending_before
 WHERE segment.starting_at < EXCLUDED.starting_at;

INSERT INTO invoice_schedule_item (customer_id, balance_id, id, timestamp, unit_price, quantity)
SELECT pg_temp.id(1), pg_temp.id(1, 'ba01'), pg_temp.id(1, '15d' || n), pg_temp.month(-18 + 12 * n), 90000, 12
  FROM generate_series(0, 2) n
ON CONFLICT DO NOTHING;

-- Ledgers ------------------------------------------------------------------------------------------

INSERT INTO invoice (customer_id, id, status, contract_id, service_period_end, finalized_at, voided_at)
SELECT pg_temp.id(5), pg_temp.id(5, part), status::invoice_status, NULL, pg_temp.month(ends),
       CASE WHEN status <> 'DRAFT' THEN pg_temp.month(ends) + interval '2 days' END,
       CASE WHEN status = 'VOID' THEN pg_temp.month(ends) + interval '5 days' END
  FROM (VALUES ('1f01', 'FINALIZED', -2), ('1f02', 'VOID', -1), ('1f03', 'DRAFT', 1)) AS i (part, status, ends)
ON CONFLICT DO NOTHING;

-- An entry of an id that is there already is left out, whatever its time was.
INSERT INTO ledger_entry (customer_id, balance_id, segment_id, id, type, amount, timestamp, invoice_id, reason,
                          uniqueness_key)
SELECT pg_temp.id(nr), pg_temp.id(nr, balance), pg_temp.id(nr, segment), pg_temp.id(nr, part),
       type::ledger_entry_type, amount, pg_temp.month(at), pg_temp.id(nr, invoice), reason, 'demo-' || part
  FROM (VALUES
    (1, 'ba01', '5e01', 'e001', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -912550.25, -7, '1f01', NULL),
    (1, 'ba01', '5e02', 'e002', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -98120.4, -3, '1f02', NULL),
    (1, 'ba01', '5e02', 'e003', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -104310.8, -2, '1f03', NULL),
    (1, 'ba01', '5e02', 'e004', 'PREPAID_COMMIT_MANUAL', 5000, -1, NULL, 'Goodwill for the outage'),
    (1, 'ba02', '5e04', 'e005', 'CREDIT_AUTOMATED_INVOICE_DEDUCTION', -12500, -1, '1f03', NULL),
    (1, 'ba03', '5e05', 'e006', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -45000, -1, '1f03', NULL),
    (2, 'ba01', '5e01', 'e001', 'CREDIT_AUTOMATED_INVOICE_DEDUCTION', -20000, -1, '1f01', NULL),
    (2, 'ba01', '5e01', 'e002', 'CREDIT_MANUAL', -4500, 0, NULL, 'Charged twice by the old system'),
    (2, 'ba02', '5e02', 'e003', 'PREPAID_COMMIT_MANUAL', -27500, 0, NULL, 'Usage before the agreement'),
    (3, 'ba01', '5e01', 'e001', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -180000, -5, '1f01', NULL),
    (3, 'ba02', '5e02', 'e002', 'CREDIT_MANUAL', -12000, -4, NULL, 'Corrected usage'),
    (4, 'ba01', '5e01', 'e001', 'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -210000, -1, '1f01', NULL),
    (4, 'ba02', '5e02', 'e002', 'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -350000, -5, '1f02', NULL),
    (4, 'ba02', '5e02', 'e003', 'POSTPAID_COMMIT_TRUEUP', -50000, -4, '1f03', NULL),
    (4, 'ba03', '5e03', 'e004', 'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -60000, -5, '1f02', NULL),
    (5, 'ba01', '5e01', 'e001', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -80000, -2, '1f01', NULL),
    (5, 'ba01', '5e01', 'e002', 'PREPAID_COMMIT_CREDITED', 15000, -1, '1f01', NULL),
    (5, 'ba01', '5e01', 'e003', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -99000, -1, '1f02', NULL),
    (5, 'ba01', '5e01', 'e004', 'PREPAID_COMMIT_CANCELED', 99000, 0, '1f02', NULL),
    (7, 'ba01', '5e01', 'e001', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -25000, -1, '1f01', NULL),
    (7, 'ba02', '5e02', 'e002', 'PREPAID_COMMIT_MANUAL', -100000, -1, NULL, 'Moved to the live commit'),
    (8, 'ba01', '5e01', 'e001', 'CREDIT_MANUAL', -400, 0, NULL, 'Spent in the shop')
  ) AS e (nr, balance, segment, part, type, amount, at, invoice, reason)
 WHERE NOT EXISTS (SELECT FROM ledger_entry there
                    WHERE there.customer_id = pg_temp.id(nr) AND there.uniqueness_key = 'demo-' || part);

INSERT INTO ledger_entry (customer_id, balance_id, segment_id, id, type, amount, timestamp, invoice_id,
                          transaction_type_id, transaction_date, paid, currency_paid, entity_type, entity_id,
                          uniqueness_key)
SELECT pg_temp.id(9), pg_temp.id(9, balance), pg_temp.id(9, segment), pg_temp.id(9, part), type::ledger_entry_type,
       amount, pg_temp.month(at), pg_temp.id(9, invoice), transaction_type, pg_temp.month(at), paid,
       CASE WHEN paid IS NOT NULL THEN 'EUR' END, CASE WHEN paid IS NOT NULL THEN 'USER'::entity_type END,
       CASE WHEN paid IS NOT NULL THEN 'ines@iris.example' END, 'demo-' || part
  FROM (VALUES
    (1, 'ba01', '5e01', 'e001', 'ACCOUNT_BALANCE_TRANSACTION', 25000, -5, NULL,
     'd0000000-077e-4000-8000-000000000001'::uuid, 229.99),
    (2, 'ba01', '5e01', 'e002', 'ACCOUNT_BALANCE_DEDUCTION', -8200, -3, '1f01', NULL, NULL),
    (3, 'ba01', '5e01', 'e003', 'ACCOUNT_BALANCE_TRANSACTION', 10000, -1, NULL,
     'd0000000-077e-4000-8000-000000000001', 92),
    (4, 'ba02', '5e02', 'e004', 'ACCOUNT_BALANCE_TRANSACTION', 30000, -12, NULL,
     'd0000000-077e-4000-8000-000000000001', 275.5),
    (5, 'ba02', '5e02', 'e005', 'ACCOUNT_BALANCE_DEDUCTION', -12000, -3, '1f02', NULL, NULL)
  ) AS e (place, balance, segment, part, type, amount, at, invoice, transaction_type, paid)
 WHERE NOT EXISTS (SELECT FROM ledger_entry there
                    WHERE there.customer_id = pg_temp.id(9) AND there.uniqueness_key = 'demo-' || part)
 ORDER BY place;

INSERT INTO draft_deduction (customer_id, balance_id, segment_id, invoice_id, amount, timestamp)
SELECT pg_temp.id(nr), pg_temp.id(nr, balance), pg_temp.id(nr, segment), pg_temp.id(nr, '1f03'), amount,
       pg_temp.month(0)
  FROM (VALUES (1, 'ba01', '5e02', -33750.5), (1, 'ba02', '5e04', -2500),
               (5, 'ba01', '5e01', -42000), (5, 'ba02', '5e02', -6000)) AS d (nr, balance, segment, amount)
ON CONFLICT DO NOTHING;

-- Five thousand invoices, of which every fiftieth was voided a day later.
INSERT INTO ledger_entry (customer_id, balance_id, segment_id, id, type, amount, timestamp, invoice_id)
SELECT pg_temp.id(10), pg_temp.id(10, 'ba01'), pg_temp.id(10, '5e01'), pg_temp.id(10000 + n, e.part),
       e.type::ledger_entry_type, e.sign * (500 + n % 700), pg_temp.month(0) - (5001 - n) * interval '1 hour' + e.later,
       pg_temp.id(10000 + n, '1f00')
  FROM generate_series(1, 5000) n
  JOIN (VALUES ('e000', 'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION', -1, interval '0', 1),
               ('e001', 'PREPAID_COMMIT_CANCELED', 1, interval '1 day', 50)) AS e (part, type, sign, later, every)
    ON n % e.every = 0
 WHERE NOT EXISTS (SELECT FROM ledger_entry WHERE customer_id = pg_temp.id(10));

-- What is archived was used before.
UPDATE balance SET archived_at = pg_temp.month(0)
 WHERE customer_id = pg_temp.id(7) AND id = pg_temp.id(7, 'ba02') AND archived_at IS NULL;
UPDATE contract SET archived_at = pg_temp.month(0)
 WHERE customer_id = pg_temp.id(6) AND id = pg_temp.id(6, 'c003') AND archived_at IS NULL;

COMMIT;
