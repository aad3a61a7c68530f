-- The groups that have clicks: by time if there is a bucket, the most clicks first within. Then the limit is bound.
SELECT {columns}, {totals}
FROM clicks
{selection}
GROUP BY {names}
ORDER BY {order}
LIMIT ?, ?
