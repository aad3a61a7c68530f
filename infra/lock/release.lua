-- Gives a lock back.
--
-- KEYS[1]  the lock
-- ARGV[1]  what it holds if it is still the caller's: token:fence
--
-- Returns 1; 0 if it was not the caller's any more.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
