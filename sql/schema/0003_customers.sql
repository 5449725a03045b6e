-- Customers and their contracts. From here on every table is a customer's: customer_id comes first
-- in its primary key and is part of every foreign key between such tables, so that a customer's
-- rows can live together in one partition or on one machine.

CREATE TABLE customer (
    customer_id uuid PRIMARY KEY,
    name label NOT NULL,
    -- Null: the installation's.
    credit_application_order credit_application_order,
    created_at instant NOT NULL DEFAULT transaction_timestamp()
);

CREATE TABLE contract (
    customer_id uuid NOT NULL REFERENCES customer,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name label,
    archived_at instant,
    created_at instant NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (customer_id, id)
);
