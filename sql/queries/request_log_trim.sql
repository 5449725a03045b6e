-- Removes answers to requests that are older than the time for which a retry is recognized, not all at once.
DELETE FROM request_log r
USING (SELECT o.customer_id, o.request_id FROM request_log o
       WHERE o.created_at < now() - interval '31 days' ORDER BY o.created_at LIMIT 10000) AS old
WHERE r.customer_id = old.customer_id AND r.request_id = old.request_id
