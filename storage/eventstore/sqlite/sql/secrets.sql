-- What is drawn at random once and kept.

-- name: select-meta
SELECT value FROM meta WHERE name = ?;

-- name: insert-meta
INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: select-salt
SELECT salt FROM salts WHERE day = ?;

-- name: insert-salt
INSERT INTO salts (day, salt) VALUES (?, ?) ON CONFLICT DO NOTHING;

-- name: delete-salts
DELETE FROM salts WHERE day < ?;
