SELECT sum(n)
FROM (SELECT {value} AS value, count() AS n FROM clicks {selection} GROUP BY value)
