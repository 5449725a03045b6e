-- Gives the lock of feed_lock.sql up, however often this session has taken it: it has no other.
SELECT pg_advisory_unlock_all()
