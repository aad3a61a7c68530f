-- Keeps an instance on the list, or puts it there again, and clears away those long dead.
-- KEYS  1 deadlines, 2 instances, 3 generations
-- ARGV  1 id, 2 TTL in ms, 3 value, 4 generation
-- Returns 1, or 0 if the id has a later generation.
local last = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
if last > tonumber(ARGV[4]) then
  return 0
end
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local ttl = tonumber(ARGV[2])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), ARGV[1])
-- Generations of the dead are kept for a while: a process that was paused may still come back.
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - 60 * ttl))
for _, id in ipairs(dead) do
  redis.call('HDEL', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZREM', KEYS[1], id)
end
return 1
