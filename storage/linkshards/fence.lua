-- Makes an epoch known to a shard, unless it knows a newer one.
-- KEYS[1]  key of the newest epoch that the shard knows
-- ARGV[1]  the epoch
-- Returns the newest epoch.
local epoch, known = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or 0) or 0
if known < epoch then
  redis.call('SET', KEYS[1], ARGV[1])
  return epoch
end
return known
