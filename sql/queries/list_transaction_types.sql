-- A page of transaction types, oldest first, in one row, with the version of what belongs to no customer.
--
-- $1 the id of all zeros  $2, $3 created_at and id after which to start  $4 rows at most  $5 ids, or null
-- for any  $6 codes, or null for any  $7 archived too?
SELECT v.version,
       ARRAY(SELECT ROW(t.created_at, t.id, t.name, t.code, t.archived, t.version)
             FROM transaction_type t
             WHERE (t.created_at, t.id) > ($2::timestamptz, $3::uuid)
               AND ($5::uuid[] IS NULL OR t.id = ANY ($5))
               AND ($6::text[] IS NULL OR t.code = ANY ($6))
               AND ($7::boolean OR NOT t.archived)
             ORDER BY t.created_at, t.id
             LIMIT $4)
FROM ledger_version v
WHERE v.customer_id = $1
