package eventstore

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"

	"snowlink/shortener"
)

// replayOnce returns the link that was made under the key, as it was made, and whether there is one.
func (w *writer) replayOnce(once shortener.Once) (link shortener.Link, replayed bool, err error) {
	var (
		fingerprint []byte
		ref         shortener.Ref
		version     int64
	)
	err = w.row("select-once", once.Owner, once.Key, w.store.opts.Now().UnixMilli()).
		Scan(&fingerprint, &ref.Domain, &ref.Code, &version)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return link, false, nil
	case err != nil:
		return link, false, fmt.Errorf("look for an idempotency key: %w", err)
	case !bytes.Equal(fingerprint, once.Fingerprint[:]):
		return link, false, shortener.InvalidField("Idempotency-Key", "idempotency-key-reused",
			"this idempotency key was used for another request: use a new one")
	}
	link, err = w.linkAt(ref, version)
	return link, err == nil, err
}

// putOnce keeps what was made under the key.
func (w *writer) putOnce(once *shortener.Once, made shortener.Link) error {
	if once == nil {
		return nil
	}
	err := w.exec("put-once", once.Owner, once.Key, once.Fingerprint[:], made.Domain, made.Code, made.Version, once.Expires.UnixMilli())
	if err != nil {
		return fmt.Errorf("keep an idempotency key: %w", err)
	}
	return nil
}
