-- A sequence number of a producer names one click. The selection is some hours, as clicks have them.
SELECT concat('click ', producer, '-', toString(seq), ' is there ', toString(count()), ' times') AS finding
FROM clicks
{selection}
GROUP BY producer, seq
HAVING count() > 1
ORDER BY producer, seq
LIMIT {limit}
