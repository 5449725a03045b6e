-- Moves the access segment of an account balance; its rollover follows.
--
-- $1 customer  $2 balance  $3 start  $4 end
UPDATE segment s SET starting_at = $3, ending_before = $4
WHERE s.customer_id = $1 AND s.balance_id = $2 AND s.role = 'ACCESS'
