-- ? producer ids, ? firsts, ? lasts, side by side.
INSERT INTO marks (producer, first, last) SELECT unnest(?::UINTEGER[]), unnest(?::UBIGINT[]), unnest(?::UBIGINT[])
