-- Removes a value that does not belong under its key, unless it was replaced meanwhile.
-- KEYS[1]  key of a link
-- ARGV[1]  the value to remove
-- Returns 1 if it was removed, else 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
