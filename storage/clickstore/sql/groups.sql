-- What granules binds if clicks are grouped by time (see series.sql), then what the selection binds, then
-- ? limit, ? offset. The number of all groups stands in each row.
SELECT {columns}, {totals}, count(*) OVER ()
FROM clicks
{granules}
{selection}
GROUP BY {names}
ORDER BY {order}
LIMIT ? OFFSET ?
