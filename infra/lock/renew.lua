-- Lengthens the life of a lock.
--
-- KEYS[1]  the lock
-- ARGV[1]  what it holds if it is still the caller's: token:fence
-- ARGV[2]  time to live in ms, from now
--
-- Returns 1; 0 if it is not the caller's any more.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
