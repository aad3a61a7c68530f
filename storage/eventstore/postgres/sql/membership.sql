-- The memberships of the link shards: the newest counts, the others are its history.

-- name: select-membership
SELECT epoch, body FROM memberships ORDER BY epoch DESC LIMIT 1;

-- name: insert-membership
-- Nothing is inserted if the epoch is not the next one.
INSERT INTO memberships (epoch, body)
SELECT $1, $2 WHERE $1 = 1 + (SELECT coalesce(max(epoch), 0) FROM memberships);
