SELECT producer, batch, attempt, max(won)
FROM contests
WHERE {batches}
GROUP BY producer, batch, attempt
