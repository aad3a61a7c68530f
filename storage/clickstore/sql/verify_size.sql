SELECT (SELECT count(*) FROM clicks),
       (SELECT count(*) FROM (SELECT DISTINCT producer, batch FROM clicks)),
       (SELECT count(*) FROM producers)
