-- KEYS  1 deadlines, 2 instances, 3 generations
-- Returns two lists: id, generation and value of each instance that lives, one after the other, by id; and
-- the ids of those that have taken themselves off, for as long as they are remembered.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
table.sort(ids)
local list = {}
for _, id in ipairs(ids) do
  local value = redis.call('HGET', KEYS[2], id)
  if value then
    list[#list + 1] = id
    list[#list + 1] = redis.call('HGET', KEYS[3], id) or '0'
    list[#list + 1] = value
  end
end
local left = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))) do
  if redis.call('HEXISTS', KEYS[2], id) == 0 then
    left[#left + 1] = id
  end
end
return {list, left}
