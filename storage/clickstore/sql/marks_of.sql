-- ? names. The producers that are known, with their runs; a producer without any has one row of nulls.
SELECT p.id, p.name, m.first, m.last
FROM producers p LEFT JOIN marks m ON m.producer = p.id
WHERE p.name IN (SELECT unnest(?::VARCHAR[]))
ORDER BY p.id, m.first
