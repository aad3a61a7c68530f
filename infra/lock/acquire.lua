-- Takes the first free key of some, with a number that orders all holders.
--
-- KEYS[1..n]  the locks to choose from, in order of preference
-- KEYS[n+1]   the last fencing number given
-- ARGV[1]     token of the caller, without a colon
-- ARGV[2]     time to live in ms
--
-- A lock holds token:fence. Returns {place among KEYS, fence}, or {0, 0} if all are held. A caller whose
-- first reply went astray and who asks again gets the lock it has.

local free = 0
for i = 1, #KEYS - 1 do
  local held = redis.call('GET', KEYS[i])
  if not held then
    if free == 0 then
      free = i
    end
  elseif string.sub(held, 1, #ARGV[1] + 1) == ARGV[1] .. ':' then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
    return {i, tonumber(string.sub(held, #ARGV[1] + 2))}
  end
end
if free == 0 then
  return {0, 0}
end

-- The clock keeps the numbers rising over a Redis that was emptied and has forgotten the last one.
local now = redis.call('TIME')
local fence = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local last = tonumber(redis.call('GET', KEYS[#KEYS]) or '0')
if fence <= last then
  fence = last + 1
end
local digits = string.format('%.0f', fence)
redis.call('SET', KEYS[#KEYS], digits)
redis.call('SET', KEYS[free], ARGV[1] .. ':' .. digits, 'NX', 'PX', ARGV[2])
return {free, fence}
