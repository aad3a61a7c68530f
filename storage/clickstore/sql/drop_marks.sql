-- ? producer ids.
DELETE FROM marks WHERE producer IN (SELECT unnest(?::UINTEGER[]))
