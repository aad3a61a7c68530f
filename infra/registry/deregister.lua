-- Takes an instance off the list.
-- KEYS  1 deadlines, 2 instances, 3 generations
-- ARGV  1 id, 2 generation
-- Returns 1, or 0 if the id has a later generation. The generation is used up, so that a heartbeat that
-- was under way does not undo this.
local last = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
if last > tonumber(ARGV[2]) then
  return 0
end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
redis.call('HSET', KEYS[3], ARGV[1], string.format('%.0f', tonumber(ARGV[2]) + 1))
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
return 1
