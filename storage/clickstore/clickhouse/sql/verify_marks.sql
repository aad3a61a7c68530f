-- A batch that is marked as stored is there.
SELECT concat('batch ', toString(batch), ' of ', producer, ' is marked as stored, and none of its clicks is there') AS finding
FROM (SELECT producer, batch FROM claims GROUP BY producer, batch HAVING max(state) = 2)
WHERE (producer, batch) NOT IN (SELECT producer, batch FROM clicks {selection})
ORDER BY producer, batch
LIMIT {limit}
