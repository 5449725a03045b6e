-- What makes a retry safe: the first answer to every request_id, for those who send it again.

CREATE TABLE request_log (
    -- The id of all zeros where a request names no customer.
    customer_id uuid NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    -- Of the request without its request_id; another request with the same id is refused.
    request_hash bytea NOT NULL,
    -- Without its token, which names the version: the customer's right after the request.
    response bytea NOT NULL,
    version bigint,
    created_at instant NOT NULL DEFAULT transaction_timestamp(),
    PRIMARY KEY (customer_id, request_id)
);

-- What is older than the time that answers are kept is removed from the old end.
CREATE INDEX request_log_by_age ON request_log (created_at);
