-- Removes changes that nobody has to be told of any more: no cached answer is as old as they are. The settings
-- that an answer's age depends on do not reach an hour.
DELETE FROM ledger_change WHERE changed_at < now() - interval '1 hour'
