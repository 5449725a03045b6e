-- Removes the segments of a balance that begin at or after its new end.
--
-- $1 customer  $2 balance  $3 end
DELETE FROM segment s
WHERE s.customer_id = $1 AND s.balance_id = $2 AND s.starting_at >= $3
