-- Writes a link's record unless the shard holds a newer one, and announces it if there is a channel.
-- KEYS[1]  key of the link
-- ARGV[1]  the encoded record; its first 8 bytes are its version in hexadecimal
-- ARGV[2]  channel of announcements, "" for none
-- ARGV[3]  announcement of the record
-- Returns 1 if it was written, 0 if the same is there already, -1 if a newer one is there.
--
-- A value of the same version with other bytes is replaced: it is damaged, or of another format. One
-- that does not begin with a version counts as none. The announcement is made for an equal record
-- too: whoever wrote that may not have lived to make it.
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
