-- The buckets that have clicks, by number.
SELECT {bucket} AS bucket, {totals}
FROM clicks
{selection}
GROUP BY bucket
