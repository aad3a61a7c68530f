-- The attempts that do not count: those in the contests, save the least one of each batch that has won.
SELECT entered
FROM (
	SELECT groupUniqArray(attempt) AS attempts, minIf(attempt, won = 1) AS counts
	FROM contests
	GROUP BY producer, batch
)
ARRAY JOIN attempts AS entered
WHERE entered <> counts
