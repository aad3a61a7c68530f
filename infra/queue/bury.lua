-- Moves one pending entry to the dead letters.
--
-- KEYS[1]  stream
-- KEYS[2]  stream of the dead letters
-- ARGV[1]  group
-- ARGV[2]  id of the entry
--
-- The dead letter has the fields of the entry, and behind them _stream, _group, _id and _deliveries.
-- Returns 1; 0 if the entry is not pending any more, so that running it twice does no harm.

local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
if #pending == 0 then
  return 0
end

local entries = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
if #entries > 0 then
  local letter = {'XADD', KEYS[2], '*'}
  for _, v in ipairs(entries[1][2]) do
    letter[#letter + 1] = v
  end
  local origin = {
    '_stream', KEYS[1], '_group', ARGV[1],
    '_id', ARGV[2], '_deliveries', string.format('%.0f', pending[1][4]),
  }
  for _, v in ipairs(origin) do
    letter[#letter + 1] = v
  end
  redis.call(unpack(letter))
end

redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[1], ARGV[2])
return 1
