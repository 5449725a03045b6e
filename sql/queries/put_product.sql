-- Makes or replaces a product. One that is so already is left alone.
--
-- $1 product  $2 name  $3 tags
INSERT INTO product AS p (id, name, tags) VALUES ($1, $2::text, $3::text[])
ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, tags = EXCLUDED.tags
WHERE (p.name, p.tags) IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.tags)
