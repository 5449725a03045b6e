-- What belongs to no customer: the installation itself, and the small tables that every customer's
-- rows refer to. Where customers are spread over machines, these are copied to each of them.

CREATE TABLE installation (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    -- Authenticates page and consistency tokens; every replica reads the same one. It is kept here
    -- and not in a setting so that nobody has to make one up.
    token_key bytea NOT NULL CHECK (length(token_key) = 32),
    -- In force for every customer who has no order of their own.
    credit_application_order credit_application_order NOT NULL DEFAULT '{PREPAYMENT,BALANCE}',
    created_at instant NOT NULL DEFAULT transaction_timestamp()
);

-- A version 4 UUID carries 122 random bits; three of them are more than a 256-bit key holds.
INSERT INTO installation (token_key)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
               || uuid_send(gen_random_uuid())));

CREATE TABLE credit_type (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name label NOT NULL
);

INSERT INTO credit_type (id, name)
VALUES ('2714e483-4ff1-48e4-9e25-ac732e8f24f2', 'USD (cents)');

CREATE TABLE product (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name label NOT NULL,
    tags tag_list NOT NULL DEFAULT '{}'
);

CREATE TABLE transaction_type (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- A letter, "_" or "$", then letters, digits, "_" or "$". Which characters beyond ASCII are
    -- letters depends on the database's locale, so only the ASCII part is decided here.
    code text NOT NULL UNIQUE
        CHECK (length(code) BETWEEN 1 AND 80 AND code !~ '^[0-9]'
               AND code !~ '[\x01-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]'),
    archived boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1 CHECK (version >= 1)
);
