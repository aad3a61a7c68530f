package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// shards is the membership as the service tells it.
type shards struct {
	Epoch    uint64     `json:"epoch"`
	Phase    string     `json:"phase"`
	Slots    int        `json:"slots"`
	Lag      int64      `json:"lag_events"`
	Move     *shardMove `json:"move"`
	Shards   []shard    `json:"shards"`
	Warnings []string   `json:"warnings,omitempty"`
}

type shardMove struct {
	Looked      int64     `json:"looked"`
	Links       int64     `json:"links"`
	Moved       int64     `json:"moved"`
	Rate        float64   `json:"rate"`
	SecondsLeft *float64  `json:"seconds_left"`
	StartedAt   time.Time `json:"started_at"`
	WaitingFor  []string  `json:"waiting_for"`
	Error       string    `json:"error"`
}

type shard struct {
	Name         string  `json:"name"`
	Address      string  `json:"address"`
	State        string  `json:"state"`
	Weight       int     `json:"weight"`
	Slots        int     `json:"slots"`
	Share        float64 `json:"share"`
	Keys         *int64  `json:"keys"`
	Bytes        *int64  `json:"bytes"`
	BytesPerLink float64 `json:"bytes_per_link"`
	Epoch        uint64  `json:"epoch"`
	Breaker      string  `json:"breaker"`
	Verified     bool    `json:"verified"`
	Role         string  `json:"role"`
	Error        string  `json:"error"`
}

func printShards(w io.Writer, s shards) error {
	fmt.Fprintf(w, "epoch %d, %s, %d change(s) of links behind\n", s.Epoch, s.Phase, s.Lag)
	if s.Move != nil {
		fmt.Fprintln(w, describeMove(*s.Move))
	}
	rows := make([][]string, len(s.Shards))
	for i, m := range s.Shards {
		rows[i] = []string{
			m.Name, m.State, strconv.Itoa(m.Weight), fmt.Sprintf("%d (%.1f %%)", m.Slots, 100*m.Share), orUnknown(m.Keys), inMiB(m.Bytes),
			m.Breaker, describeInstance(m), m.Address,
		}
	}
	return table(w, []string{"NAME", "STATE", "WEIGHT", "SLOTS", "KEYS", "MEMORY", "BREAKER", "INSTANCE", "ADDRESS"}, rows)
}

func describeMove(m shardMove) string {
	line := fmt.Sprintf("%d of %d links looked at, %d moved, %.0f/s", m.Looked, m.Links, m.Moved, m.Rate)
	if m.SecondsLeft != nil {
		line += fmt.Sprintf(", %.0f s left", *m.SecondsLeft)
	}
	if len(m.WaitingFor) > 0 {
		line += ", waits for " + printable(strings.Join(m.WaitingFor, ", "))
	}
	if m.Error != "" {
		line += ": " + printable(m.Error)
	}
	return line
}

// describeInstance says in a few words how the Redis behind a shard is.
func describeInstance(m shard) string {
	switch {
	case m.Error != "":
		return "down: " + m.Error
	case !m.Verified:
		return "being compared with the event store"
	}
	return "ok"
}

func orUnknown(n *int64) string {
	if n == nil {
		return "?"
	}
	return strconv.FormatInt(*n, 10)
}

func inMiB(bytes *int64) string {
	if bytes == nil {
		return "?"
	}
	return fmt.Sprintf("%.1f MiB", float64(*bytes)/(1<<20))
}

// shardExplanation is where a link is kept, as the service tells it.
type shardExplanation struct {
	Domain  string `json:"domain"`
	Code    string `json:"code"`
	Key     string `json:"key"`
	Slot    int    `json:"slot"`
	Owner   string `json:"owner"`
	Before  string `json:"before"`
	Epoch   uint64 `json:"epoch"`
	Version *int64 `json:"version"`
	Found   []struct {
		Shard   string `json:"shard"`
		Version *int64 `json:"version"`
		Error   string `json:"error"`
	} `json:"found"`
}

func printExplanation(w io.Writer, e shardExplanation) error {
	fmt.Fprintf(w, "key %s is in slot %d, which belongs to shard %s in epoch %d\n", printable(e.Key), e.Slot, e.Owner, e.Epoch)
	if e.Before != "" {
		fmt.Fprintf(w, "the slot moves there from shard %s\n", e.Before)
	}
	fmt.Fprintf(w, "the event store has version %s\n", orUnknown(e.Version))
	rows := make([][]string, len(e.Found))
	for i, found := range e.Found {
		rows[i] = []string{found.Shard, orNone(found.Version), found.Error}
	}
	return table(w, []string{"SHARD", "VERSION", ""}, rows)
}

func orNone(version *int64) string {
	if version == nil {
		return "-"
	}
	return strconv.FormatInt(*version, 10)
}
