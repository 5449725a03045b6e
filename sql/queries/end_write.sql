-- Ends a write to a customer's ledger: remembers the request, if it has an id, and says which version
-- the ledger has come to.
--
-- $1 customer  $2 request id or null  $3 method  $4 hash of the request  $5 answer
WITH remembered AS (
    INSERT INTO request_log (customer_id, request_id, method, request_hash, response, version)
    SELECT v.customer_id, $2::uuid, $3::text, $4::bytea, $5::bytea, v.version
    FROM ledger_version v
    WHERE v.customer_id = $1 AND $2::uuid IS NOT NULL
)
SELECT v.customer_id, v.version
FROM ledger_version v
WHERE v.customer_id = $1
