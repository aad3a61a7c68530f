-- ? limit. The sequence numbers of a batch have no gaps.
SELECT 'batch ' || batch || ' of ' || coalesce(name, 'producer #' || producer) || ' has ' || n || ' clicks for the sequence numbers '
       || low || ' to ' || high
FROM (
	SELECT producer, batch, count(*) AS n, min(seq) AS low, max(seq) AS high
	FROM clicks GROUP BY producer, batch HAVING count(*) <> max(seq) - min(seq) + 1
)
LEFT JOIN producers ON id = producer
ORDER BY producer, batch LIMIT ?
