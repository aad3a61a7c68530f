-- The memberships of the link shards: the newest counts, the others are its history.

-- name: select-membership
SELECT epoch, body FROM memberships ORDER BY epoch DESC LIMIT 1;

-- name: insert-membership
INSERT INTO memberships (epoch, body) VALUES (?, ?);
