-- ? limit. A sequence number of a producer names one click.
SELECT 'click ' || coalesce(name, 'of producer #' || producer) || '-' || seq || ' is there ' || n || ' times'
FROM (SELECT producer, seq, count(*) AS n FROM clicks GROUP BY producer, seq HAVING count(*) > 1)
LEFT JOIN producers ON id = producer
ORDER BY producer, seq LIMIT ?
