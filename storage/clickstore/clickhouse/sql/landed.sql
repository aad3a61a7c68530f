-- ? first hour, ? last hour, ? attempts: those of them whose clicks are there.
SELECT DISTINCT attempt
FROM clicks
WHERE hour >= ? AND hour <= ? AND attempt IN ?
