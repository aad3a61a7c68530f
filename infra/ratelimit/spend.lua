-- Spends tokens of some buckets: of all of them, or of none if one of them has too few.
--
-- KEYS[1]     what this Redis remembers since
-- KEYS[2..]   the buckets
-- ARGV[1]     1 if the caller has seen KEYS[1], else 0
-- ARGV[2..]   three for each bucket: µs for one token, tokens in a full bucket, tokens to spend
--
-- A bucket holds the time at which it will be full, in µs by the clock of this Redis, and is gone by then.
-- Returns 1 if the tokens were spent, else 0, and for each bucket the µs until it is full. All are whole
-- numbers that a double holds exactly.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

-- A Redis that was emptied has forgotten what was spent: its buckets begin empty. Nothing was spent
-- before the first call of all, and they begin full.
local held = redis.call('MGET', unpack(KEYS))
local since = held[1] and tonumber(held[1])
if not since then
  since = 0
  if ARGV[1] == '1' then
    since = now
  end
  redis.call('SET', KEYS[1], string.format('%.0f', since))
end

local spent = 1
local before, after = {}, {}
for i = 1, #KEYS - 1 do
  local interval, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i + 1])
  local window = interval * tonumber(ARGV[3 * i])
  local full = math.max(now, tonumber(held[i + 1] or since + window))
  before[i] = math.min(full, now + window) -- a clock that was set back, or a limit that was lowered
  after[i] = before[i] + cost * interval
  if after[i] > now + window then
    spent = 0
  end
end

local reply = {spent}
for i = 1, #KEYS - 1 do
  local full = before[i]
  if spent == 1 then
    full = after[i]
    if full > before[i] then
      redis.call('SET', KEYS[i + 1], string.format('%.0f', full), 'PX', string.format('%.0f', math.ceil((full - now) / 1000)))
    end
  end
  reply[i + 1] = full - now
end
return reply
