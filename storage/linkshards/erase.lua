-- Deletes a link's record from a shard that the link has left.
-- KEYS[1]  key of the link
-- KEYS[2]  key of the newest epoch that the shard knows
-- ARGV[1]  epoch of the writer's membership
-- Returns 1 if it was deleted, 0 if it was not there, -2 if the writer's epoch is not the newest: the
-- link may be back.
local epoch, known = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[2]) or 0) or 0
if known > epoch then
  return -2
elseif known < epoch then
  redis.call('SET', KEYS[2], ARGV[1])
end
return redis.call('DEL', KEYS[1])
