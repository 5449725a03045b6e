-- Makes or replaces a credit type. One that is so already is left alone.
--
-- $1 credit type  $2 name
INSERT INTO credit_type AS t (id, name) VALUES ($1, $2::text)
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name
WHERE t.name IS DISTINCT FROM EXCLUDED.name
