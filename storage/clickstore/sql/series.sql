-- ? buckets: the number of the bucket that each granule lies in, ? origin of the first granule, ? width of a
-- granule (milliseconds), then what the selection binds. Buckets are whole granules, so that a click finds its
-- own by a division and one lookup, whatever the zone.
SELECT bucket, {totals}
FROM clicks
JOIN (SELECT unnest(b) AS bucket, unnest(range(len(b))) AS granule FROM (SELECT ?::BIGINT[] AS b))
  ON granule = (at_ms - ?::BIGINT) // ?::BIGINT
{selection}
GROUP BY bucket
