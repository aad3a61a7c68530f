-- ? offset, ? limit.
SELECT {value} AS value, {totals}
FROM clicks
{selection}
GROUP BY value
ORDER BY count() DESC, value
LIMIT ?, ?
