-- Puts an instance on the list under a new generation.
-- KEYS  1 deadlines (sorted set: id by Unix ms), 2 instances (hash: id to value), 3 generations (hash)
-- ARGV  1 id, 2 TTL in ms, 3 value
-- Returns the generation, as a string: greater than any the id had, even if this Redis has forgotten
-- them, since it is no less than the time in microseconds.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local generation = tonumber(t[1]) * 1000000 + tonumber(t[2])
local last = tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0')
if generation <= last then
  generation = last + 1
end
local text = string.format('%.0f', generation)
redis.call('HSET', KEYS[3], ARGV[1], text)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
return text
