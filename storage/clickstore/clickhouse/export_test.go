package clickhouse

import "net/http"

// Through makes the requests of s go through another transport.
func (s *Store) Through(transport http.RoundTripper) { s.client.http.Transport = transport }
