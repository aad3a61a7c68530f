-- ? hashes. The caller compares values.
SELECT id, value FROM agents WHERE hash IN (SELECT unnest(?::UBIGINT[]))
