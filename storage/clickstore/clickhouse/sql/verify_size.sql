SELECT count(), uniqExact(producer, batch), uniqExact(producer)
FROM clicks
{selection}
