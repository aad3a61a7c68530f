package service

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/infra/lock"
	"snowlink/shortener"
	"snowlink/web/api"
)

// lockList tells who holds what in an installation.
type lockList struct {
	client       *redis.Client
	installation string
}

// Locks returns what is held.
func (l lockList) Locks(ctx context.Context) ([]api.Lock, error) {
	const patience = time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	nodes := nodePrefix + l.installation
	names := []string{lockPrefix + shardWork + l.installation}
	for node := range shortener.MaxNode + 1 {
		names = append(names, lock.SlotName(nodes, node))
	}
	held, err := lock.Held(ctx, l.client, names...)
	if err != nil {
		return nil, shortener.Errorf(shortener.Unavailable, "The coordination store does not answer: nobody can be asked who holds what.").Wrap(err)
	}
	locks := make([]api.Lock, len(held))
	for i, h := range held {
		locks[i] = api.Lock{Name: l.name(h.Name, nodes), Holder: h.Holder, Since: h.Since, Fence: h.Fence, Seconds: h.Left.Seconds()}
	}
	return locks, nil
}

// name is what people call a lock.
func (l lockList) name(key, nodes string) string {
	if number, ok := strings.CutPrefix(key, nodes+":"); ok {
		if n, err := strconv.Atoi(number); err == nil {
			return "node-" + strconv.Itoa(n)
		}
	}
	return strings.TrimSuffix(strings.TrimPrefix(key, lockPrefix), ":"+l.installation)
}
