-- ? limit. What clicks refer to is there, once.
SELECT what FROM (
	SELECT n || ' clicks are of producer #' || producer || ', which is unknown' AS what
	FROM (SELECT producer, count(*) AS n FROM clicks GROUP BY producer)
	WHERE producer NOT IN (SELECT id FROM producers)
	UNION ALL
	SELECT n || ' clicks have the user agent #' || agent || ', which is unknown'
	FROM (SELECT agent, count(*) AS n FROM clicks GROUP BY agent)
	WHERE agent NOT IN (SELECT id FROM agents)
	UNION ALL
	SELECT 'producer #' || id || ' is there ' || count(*) || ' times' FROM producers GROUP BY id HAVING count(*) > 1
	UNION ALL
	SELECT 'producer ' || name || ' is there ' || count(*) || ' times' FROM producers GROUP BY name HAVING count(*) > 1
	UNION ALL
	SELECT 'user agent #' || id || ' is there ' || count(*) || ' times' FROM agents GROUP BY id HAVING count(*) > 1
)
ORDER BY what LIMIT ?
