SELECT producer, batch, attempt, max(state)
FROM claims
WHERE {batches}
GROUP BY producer, batch, attempt
