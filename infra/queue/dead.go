package queue

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"
)

//go:embed bury.lua
var buryLua string

var buryScript = redis.NewScript(buryLua)

// bury makes an entry a dead letter.
func (c *Consumer) bury(ctx context.Context, id string) error {
	keys := []string{c.config.Stream, c.config.DeadLetter}
	if err := buryScript.Run(ctx, c.config.Client, keys, c.config.Group, id).Err(); err != nil {
		return fmt.Errorf("move entry %s of %s to the dead letters: %w", id, c.config.Stream, err)
	}
	return nil
}
