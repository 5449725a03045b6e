-- The words that the tables are written in: amounts, instants, texts of bounded length, lists, and
-- the enumerations of the domain.
--
-- Every migration runs with search_path = balances. What must also work for a writer with another
-- search_path binds its names when it is made (check functions) or brings its own (triggers).

-- Exact decimals. A domain and not numeric(38,12), because that would round what does not fit where
-- this refuses it. NaN sorts above infinity, so the first check covers it; they run in the order of
-- their names.
CREATE DOMAIN amount AS numeric
    CONSTRAINT amount_finite CHECK (VALUE > '-Infinity' AND VALUE < 'Infinity')
    CONSTRAINT amount_has_at_most_26_integer_digits CHECK (abs(VALUE) < 1e26)
    CONSTRAINT amount_has_at_most_12_fractional_digits CHECK (min_scale(VALUE) <= 12);

-- The years that the wire format can show.
CREATE DOMAIN instant AS timestamptz
    CONSTRAINT instant_is_within_year_1_to_9999
    CHECK (VALUE >= '0001-01-01 00:00:00+00' AND VALUE < '10000-01-01 00:00:00+00');

-- Everything that a writer can make grow has a bound, so that one balance always fits an answer.
CREATE DOMAIN label AS text
    CONSTRAINT label_has_1_to_1000_characters CHECK (length(VALUE) BETWEEN 1 AND 1000);

CREATE DOMAIN prose AS text
    CONSTRAINT prose_has_at_most_10000_characters CHECK (length(VALUE) <= 10000);

-- Guards for ever against making the same thing twice.
CREATE DOMAIN uniqueness_key AS text
    CONSTRAINT uniqueness_key_has_1_to_128_characters CHECK (length(VALUE) BETWEEN 1 AND 128);

CREATE DOMAIN id_list AS uuid[]
    CONSTRAINT id_list_is_flat_without_nulls
    CHECK (CASE coalesce(array_ndims(VALUE), 0)
               WHEN 0 THEN true
               WHEN 1 THEN cardinality(VALUE) <= 1000 AND array_position(VALUE, NULL) IS NULL
               ELSE false
           END);

CREATE DOMAIN tag_list AS text[]
    CONSTRAINT tag_list_is_flat_without_nulls_or_empty_tags
    CHECK (CASE coalesce(array_ndims(VALUE), 0)
               WHEN 0 THEN true
               WHEN 1 THEN cardinality(VALUE) <= 1000 AND array_position(VALUE, NULL) IS NULL
                           AND array_position(VALUE, '') IS NULL
               ELSE false
           END);

-- JSON paths are strict because lax ones unwrap arrays: ["x"] would pass as a string.
CREATE FUNCTION is_text_map(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(j) <> 'object' THEN false
            ELSE NOT jsonb_path_exists(j, 'strict $.* ? (@.type() != "string")')
       END;

CREATE FUNCTION is_text_list(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(j) <> 'array' THEN false
            ELSE NOT jsonb_path_exists(j, 'strict $[*] ? (@.type() != "string")')
       END;

-- Canonical, as the wire has it: lower case, no braces.
CREATE FUNCTION is_id_text(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_typeof(j) = 'string'
       AND j #>> '{}' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$';

-- A member that is absent is null here, and asks for nothing.
CREATE FUNCTION is_specifier(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN jsonb_typeof(j) <> 'object' THEN false
    ELSE j - ARRAY['product_id', 'product_tags', 'pricing_group_values',
                   'presentation_group_values'] = '{}'
         AND coalesce(is_id_text(j -> 'product_id'), true)
         AND coalesce(is_text_list(j -> 'product_tags'), true)
         AND coalesce(is_text_map(j -> 'pricing_group_values'), true)
         AND coalesce(is_text_map(j -> 'presentation_group_values'), true)
END;

CREATE FUNCTION is_specifier_list(j jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN jsonb_typeof(j) <> 'array' THEN false
            ELSE NOT EXISTS (SELECT FROM jsonb_array_elements(j) s WHERE NOT is_specifier(s))
       END;

CREATE DOMAIN custom_fields AS jsonb
    CONSTRAINT custom_fields_are_strings CHECK (is_text_map(VALUE))
    CONSTRAINT custom_fields_has_at_most_100_pairs
    CHECK (jsonb_array_length(jsonb_path_query_array(VALUE, '$.keyvalue()')) <= 100)
    CONSTRAINT custom_fields_has_at_most_64_kib CHECK (length(VALUE::text) <= 65536);

CREATE DOMAIN specifiers AS jsonb
    CONSTRAINT specifiers_are_well_formed CHECK (is_specifier_list(VALUE))
    CONSTRAINT specifiers_has_at_most_64_kib CHECK (length(VALUE::text) <= 65536);

CREATE TYPE balance_kind AS ENUM ('PREPAID_COMMIT', 'POSTPAID_COMMIT', 'CREDIT', 'ACCOUNT_BALANCE');

CREATE TYPE segment_role AS ENUM ('ACCESS', 'ROLLOVER');

CREATE TYPE rate_type AS ENUM ('COMMIT_RATE', 'LIST_RATE');

CREATE TYPE child_access AS ENUM ('ALL', 'NONE', 'CONTRACT_IDS');

CREATE TYPE line_item_type AS ENUM (
    'STANDING_CHARGE', 'USAGE', 'MINIMUM_SPEND', 'COUNTER_RUNNING_TOTAL_CHARGE',
    'COUNTER_ADJUSTMENT_DEBIT', 'AD_HOC');

CREATE DOMAIN line_item_types AS line_item_type[]
    CONSTRAINT line_item_types_is_flat_without_nulls
    CHECK (CASE coalesce(array_ndims(VALUE), 0)
               WHEN 0 THEN true
               WHEN 1 THEN cardinality(VALUE) <= 6 AND array_position(VALUE, NULL) IS NULL
               ELSE false
           END);

CREATE TYPE invoice_status AS ENUM ('DRAFT', 'FINALIZED', 'VOID');

-- What brought a transaction of an account balance about.
CREATE TYPE entity_type AS ENUM ('BILL', 'COMMITMENT', 'USER', 'SERVICE_USER', 'SCHEDULER');

-- Commits and credits are prepayments. What is left out does not burn.
CREATE TYPE credit_application AS ENUM ('PREPAYMENT', 'BALANCE');

CREATE DOMAIN credit_application_order AS credit_application[]
    CONSTRAINT credit_application_order_names_each_at_most_once
    CHECK (VALUE IN (ARRAY['PREPAYMENT'::credit_application], ARRAY['BALANCE'::credit_application],
                     ARRAY['PREPAYMENT', 'BALANCE']::credit_application[],
                     ARRAY['BALANCE', 'PREPAYMENT']::credit_application[]));

-- Declared in the order in which entries of one instant follow each other. The program has the same
-- list in the same order.
CREATE TYPE ledger_entry_type AS ENUM (
    'PREPAID_COMMIT_SEGMENT_START',
    'POSTPAID_COMMIT_INITIAL_BALANCE',
    'CREDIT_SEGMENT_START',
    'PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT',
    'CREDIT_SEAT_BASED_ADJUSTMENT',
    'PREPAID_COMMIT_MANUAL',
    'POSTPAID_COMMIT_MANUAL',
    'CREDIT_MANUAL',
    'ACCOUNT_BALANCE_TRANSACTION',
    'PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
    'POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION',
    'CREDIT_AUTOMATED_INVOICE_DEDUCTION',
    'ACCOUNT_BALANCE_DEDUCTION',
    'PREPAID_COMMIT_CANCELED',
    'POSTPAID_COMMIT_CANCELED',
    'CREDIT_CANCELED',
    'ACCOUNT_BALANCE_CANCELED',
    'PREPAID_COMMIT_CREDITED',
    'POSTPAID_COMMIT_CREDITED',
    'CREDIT_CREDITED',
    'PREPAID_COMMIT_ROLLOVER',
    'POSTPAID_COMMIT_ROLLOVER',
    'CREDIT_ROLLOVER',
    'ACCOUNT_BALANCE_ROLLOVER',
    'POSTPAID_COMMIT_TRUEUP',
    'PREPAID_COMMIT_EXPIRATION',
    'POSTPAID_COMMIT_EXPIRATION',
    'CREDIT_EXPIRATION',
    'ACCOUNT_BALANCE_EXPIRATION');
