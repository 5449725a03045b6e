-- Ends the segments of a balance that go on beyond its new end there.
--
-- $1 customer  $2 balance  $3 end
UPDATE segment s SET ending_before = $3
WHERE s.customer_id = $1 AND s.balance_id = $2 AND s.ending_before > $3
