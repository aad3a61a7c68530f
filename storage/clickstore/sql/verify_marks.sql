-- ? limit. Each batch is in one run of marks, and each run has as many batches as numbers.
WITH batches AS (SELECT DISTINCT producer, batch FROM clicks),
marked AS (
	SELECT m.producer, m.first, m.last, count(b.batch) AS n
	FROM marks m LEFT JOIN batches b ON b.producer = m.producer AND b.batch BETWEEN m.first AND m.last
	GROUP BY m.producer, m.first, m.last
),
found AS (
	SELECT producer, first AS number,
	       'is marked as stored from batch ' || first || ' to ' || last || ', of which ' || n || ' are there' AS what
	FROM marked WHERE n <> last - first + 1
	UNION ALL
	SELECT b.producer, b.batch, 'has clicks of batch ' || b.batch || ', which is in ' || count(m.first) || ' runs of marks'
	FROM batches b LEFT JOIN marks m ON b.producer = m.producer AND b.batch BETWEEN m.first AND m.last
	GROUP BY b.producer, b.batch HAVING count(m.first) <> 1
)
SELECT coalesce(name, 'producer #' || producer) || ' ' || what
FROM found LEFT JOIN producers ON id = producer
ORDER BY producer, number LIMIT ?
