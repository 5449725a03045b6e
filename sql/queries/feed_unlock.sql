-- Gives the lock of feed_lock.sql up.
SELECT pg_advisory_unlock(7092137005814920)
