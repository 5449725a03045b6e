-- Ends several writes to a customer's ledger in one: remembers the requests that have an id, and says
-- which version the ledger has come to.
--
-- $1 customer  $2 request ids  $3 method  $4 hashes of the requests  $5 answers
WITH remembered AS (
    INSERT INTO request_log (customer_id, request_id, method, request_hash, response, version)
    SELECT v.customer_id, n.request_id, $3::text, n.request_hash, n.response, v.version
    FROM ledger_version v
    CROSS JOIN unnest($2::uuid[], $4::bytea[], $5::bytea[]) AS n (request_id, request_hash, response)
    WHERE v.customer_id = $1
)
SELECT v.customer_id, v.version
FROM ledger_version v
WHERE v.customer_id = $1
