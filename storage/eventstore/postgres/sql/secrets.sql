-- What is drawn at random once and kept.

-- name: select-meta
SELECT value FROM meta WHERE name = $1;

-- name: insert-meta
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: select-salt
SELECT salt FROM salts WHERE day = $1;

-- name: insert-salt
INSERT INTO salts (day, salt) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: delete-salts
DELETE FROM salts WHERE day < $1;
