-- ? name. Returns the id.
INSERT INTO producers (id, name) SELECT (SELECT coalesce(max(id) + 1, 0) FROM producers), ? RETURNING id
