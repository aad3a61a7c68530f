-- A batch was claimed, has as many clicks as its claim says, and its sequence numbers have no gaps.
SELECT multiIf(
	claims = 0, concat('batch ', toString(batch), ' of ', producer, ' has ', toString(n), ' clicks, which nobody claimed'),
	n <> announced, concat('batch ', toString(batch), ' of ', producer, ' has ', toString(n), ' of ', toString(announced), ' clicks'),
	concat('batch ', toString(batch), ' of ', producer, ' has ', toString(n), ' clicks for the sequence numbers ',
		toString(low), ' to ', toString(high))
) AS finding
FROM (
	SELECT producer, batch, count() AS n, min(seq) AS low, max(seq) AS high
	FROM clicks
	{selection}
	GROUP BY producer, batch
)
ANY LEFT JOIN (
	SELECT producer, batch, toUInt64(max(clicks)) AS announced, count() AS claims FROM claims GROUP BY producer, batch
) USING (producer, batch)
WHERE claims = 0 OR n <> announced OR n <> high - low + 1
ORDER BY producer, batch
LIMIT {limit}
