-- Writes a link's record unless the shard holds a newer one, and announces it if there is a channel.
-- KEYS[1]  key of the link
-- KEYS[2]  key of the newest epoch that the shard knows
-- ARGV[1]  the encoded record; its first 8 bytes are its version in hexadecimal
-- ARGV[2]  channel of announcements, "" for none
-- ARGV[3]  announcement of the record
-- ARGV[4]  epoch of the writer's membership, "0" if epochs are not checked
-- Returns 1 if it was written, 0 if the same is there already, -1 if a newer one is there, -2 if the
-- writer's epoch is not the newest.
--
-- A value of the same version with other bytes is replaced: it is damaged, or of another format. One
-- that does not begin with a version counts as none. The announcement is made for an equal record
-- too: whoever wrote that may not have lived to make it. A writer of a newer epoch leaves it behind: a
-- shard that was emptied learns it so.
if ARGV[4] ~= '0' then
  local epoch, known = tonumber(ARGV[4]), tonumber(redis.call('GET', KEYS[2]) or 0) or 0
  if known > epoch then
    return -2
  elseif known < epoch then
    redis.call('SET', KEYS[2], ARGV[4])
  end
end
local version = tonumber(string.sub(ARGV[1], 1, 8), 16)
local found = tonumber(redis.call('GETRANGE', KEYS[1], 0, 7), 16)
if found and found > version then
  return -1
end
local written = 0
if found ~= version or redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1])
  written = 1
end
if ARGV[2] ~= '' then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return written
