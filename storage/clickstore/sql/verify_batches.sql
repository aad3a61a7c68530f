-- ? limit. The sequence numbers of a batch have no gaps, and those of the next batch follow.
WITH spans AS (
	SELECT producer, batch, count(*) AS n, min(seq) AS low, max(seq) AS high,
	       lag(batch) OVER follows AS batch_before, lag(max(seq)) OVER follows AS high_before
	FROM clicks GROUP BY producer, batch
	WINDOW follows AS (PARTITION BY producer ORDER BY batch)
)
SELECT CASE
	WHEN n <> high - low + 1 THEN
		'batch ' || batch || ' of ' || coalesce(name, 'producer #' || producer) || ' has ' || n
		|| ' clicks for the sequence numbers ' || low || ' to ' || high
	ELSE
		'batch ' || batch || ' of ' || coalesce(name, 'producer #' || producer) || ' begins with click ' || low
		|| ', the one before it ends with ' || high_before
	END
FROM spans LEFT JOIN producers ON id = producer
WHERE n <> high - low + 1 OR (batch_before = batch - 1 AND low <> high_before + 1)
ORDER BY producer, batch LIMIT ?
