package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Instance is one that serves.
type Instance struct {
	Service    string            `json:"service"`
	ID         string            `json:"id"` // unique within the service
	Addr       string            `json:"addr"`
	Weight     int               `json:"weight,omitempty"` // 0 means 1
	Meta       map[string]string `json:"meta,omitempty"`
	Generation int64             `json:"-"` // given by Register: greater each time the ID is registered
}

// maxBytes bounds what an instance may say of itself: each watcher reads it each second.
const maxBytes = 8 << 10

// check returns what keeps others from making use of the instance.
func (i Instance) check() error {
	switch {
	case i.Service == "" || i.ID == "" || i.Addr == "":
		return errors.New("service, id and address are required")
	case i.Weight < 0:
		return fmt.Errorf("weight %d, want 0 or more", i.Weight)
	}
	return nil
}

func encode(i Instance) (string, error) {
	if err := i.check(); err != nil {
		return "", err
	}
	value, err := json.Marshal(i)
	if err == nil && len(value) > maxBytes {
		err = fmt.Errorf("%d bytes, want %d at most", len(value), maxBytes)
	}
	return string(value), err
}

// decode reads what stands on the list of a service: anybody with access to Redis may have written it.
func decode(service, id, generation, value string) (i Instance, err error) {
	if len(value) > maxBytes {
		return i, fmt.Errorf("%d bytes, want %d at most", len(value), maxBytes)
	}
	if err := json.Unmarshal([]byte(value), &i); err != nil {
		return i, err
	}
	if i.Service != service || i.ID != id {
		return i, fmt.Errorf("it says that it is %q of %q", i.ID, i.Service)
	}
	if i.Generation, err = strconv.ParseInt(generation, 10, 64); err != nil {
		return i, err
	}
	return i, i.check()
}
