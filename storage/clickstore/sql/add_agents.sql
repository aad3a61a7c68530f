-- ? ids, ? hashes, ? values, side by side.
INSERT INTO agents (id, hash, value) SELECT unnest(?::UINTEGER[]), unnest(?::UBIGINT[]), unnest(?::VARCHAR[])
