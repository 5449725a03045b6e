-- Ends what was computed before a version: the key is the customer's version; arguments are the version that was
-- committed, and the replication id under which this server was known when the key's name was made. Returns 1 where it
-- ended something, 0 where there was nothing to end, and -1 where this is not the same master any more: readers may
-- look under another name by now, so that nothing that is done here would reach them.
local server = redis.call('INFO', 'replication')
if not (server:find('role:master\r\n', 1, true) and server:find('master_replid:' .. ARGV[2] .. '\r\n', 1, true)) then
    return -1
end
-- Versions have up to 19 digits, which Lua's numbers would round: of two without leading zeros the longer one is
-- greater, and of two that are equally long the one that sorts after the other.
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and #held < 20 and held:find('^[1-9]%d*$') and
    (#held > #ARGV[1] or (#held == #ARGV[1] and held >= ARGV[1])) then
    return 0
end
return redis.call('DEL', KEYS[1])
