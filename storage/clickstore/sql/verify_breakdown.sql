SELECT coalesce(sum(n), 0)::BIGINT FROM (SELECT {value} AS value, count(*) AS n FROM clicks GROUP BY value)
