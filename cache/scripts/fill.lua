-- Files an answer: keys are the customer's version and the answer; arguments the claim, the version that the
-- answer was computed from, the answer and for how many milliseconds to keep it. Returns 1, or 0 where a raise
-- or an eviction came in between.
local held = redis.call('GET', KEYS[1])
if held ~= ARGV[1] and held ~= ARGV[2] then
    return 0
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4])
return 1
