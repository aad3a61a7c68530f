package linkshards

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// An instance is one run of a Redis server, with a client all of whose connections reach it: the first
// connection tells which run it is, and one that reaches another is given up, and with it the instance.
// So what is known of the instance is true of whatever its client answers.
type instance struct {
	of     *member
	client *redis.Client
	reads  batcher
	fixed  bool          // the client is not ours, and is trusted
	ended  chan struct{} // closed when another instance has taken its place
	users  atomic.Int64  // calls under way, and one for being in use

	// verified says that the links of this run were compared with the truth.
	verified atomic.Bool

	mu      sync.Mutex
	met     bool   // a connection has told the run
	runID   string // "" if the server does not tell
	seen    string // the mark when it was looked at last
	doubted string // the mark that does not count any more; "" for none
}

// errOtherInstance refuses a connection. It wraps nothing: go-redis would return that instead.
var errOtherInstance = errors.New("the connection reaches another run of the server than those before it")

func (m *member) newInstance() *instance {
	in := openInstance(m, m.dial())
	// Not by the options that the client is made with: through Sentinel these go to the connections to
	// the Sentinels too. Nothing is dialled before this is set.
	in.client.Options().OnConnect = in.meet
	return in
}

func fixedInstance(m *member, client *redis.Client) *instance {
	in := openInstance(m, client)
	in.fixed, in.met = true, true
	in.verified.Store(true)
	return in
}

func openInstance(m *member, client *redis.Client) *instance {
	in := &instance{of: m, client: client, ended: make(chan struct{})}
	in.reads.client, in.reads.timeout = client, m.opts.ReadTimeout
	in.users.Store(1)
	return in
}

// trusted reports whether what the client answered was not older than the truth is: the run was
// compared with that, and nothing is known of another run in its place.
func (in *instance) trusted() bool { return in.verified.Load() && in.of.current.Load() == in }

// enter reports whether the client may be used, until exit.
func (in *instance) enter() bool {
	for {
		n := in.users.Load()
		if n == 0 {
			return false
		}
		if in.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (in *instance) exit() {
	if in.users.Add(-1) == 0 && !in.fixed {
		_ = in.client.Close() // nobody is left to be told
	}
}

// retire tells those who stay long, and closes the client once the calls under way have ended.
func (in *instance) retire() {
	close(in.ended)
	in.exit()
}

// meet is run on each new connection before it is used, in one round trip.
func (in *instance) meet(ctx context.Context, conn *redis.Conn) error {
	var info, mark, owner *redis.StringCmd
	_, err := conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		info, mark, owner = p.Info(ctx, "server"), p.Get(ctx, verifiedKey), claim(ctx, p, in.of.opts.Installation)
		return nil
	})
	if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
		return err
	}
	if err := checkOwner(owner.Val(), in.of.opts.Installation); err != nil {
		return err
	}
	runID := infoField(info.Val(), "run_id")
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.met && in.runID != runID {
		in.of.succeed(in)
		return errOtherInstance
	}
	if !in.met {
		in.introduce(runID, info.Err())
	}
	in.judge(mark.Val())
	return nil
}

// introduce keeps the run that the first connection told. in.mu is held.
func (in *instance) introduce(runID string, err error) {
	in.met, in.runID = true, runID
	if runID == "" {
		in.of.opts.Logger.Warn("a link shard does not tell which run of Redis it is, so that its links are not trusted: "+
			"allow its user the command INFO (ACL: +info)", "shard", in.of.name, "error", err)
	}
}

// giveUp lets a new instance take the place of this one, if any connection was made to it.
func (in *instance) giveUp() {
	in.mu.Lock()
	met := in.met
	in.mu.Unlock()
	if met {
		in.of.succeed(in)
	}
}

// judge draws the conclusion from the mark that the instance bears. in.mu is held.
func (in *instance) judge(mark string) {
	in.seen = mark
	in.conclude(in.runID != "" && strings.HasPrefix(mark, in.mark()) && mark != in.doubted)
}

// conclude sets whether the instance is verified. in.mu is held.
func (in *instance) conclude(verified bool) {
	was := in.verified.Swap(verified)
	if was == verified {
		return
	}
	in.of.opts.Logger.Info("trust in a link shard", "shard", in.of.name, "run", in.runID, "verified", verified)
	if was && in.of.opts.OnDoubt != nil {
		in.of.opts.OnDoubt()
	}
}

// doubt takes the trust in an instance away that refused a write: for want of a replica or of memory, or
// because it has become a replica itself. Reads still work there, and would be of links before the edits
// that were refused. The mark that it bears now never counts again; the Verifier sets another.
func (in *instance) doubt(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.doubted == in.seen && !in.verified.Load() {
		return
	}
	in.of.opts.Logger.Warn("a link shard answers, and refuses writes: its links are asked for at the event store", "shard", in.of.name, "error", err)
	in.doubted = in.seen
	in.conclude(false)
}

// refused reports whether err is the refusal of a write by a server that answers reads.
func refused(err error) bool {
	if err == nil { // HasErrorPrefix would allocate to find that out
		return false
	}
	for _, prefix := range []string{"NOREPLICAS", "READONLY", "OOM", "MISCONF"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// mark begins what an instance bears whose links were compared with the truth since the shard joined. A
// random end tells one comparison from another.
func (in *instance) mark() string {
	return in.runID + " " + strconv.FormatUint(in.of.spec.Joined, 10) + " "
}

// run returns which run of the server this is, "" if that is not known.
func (in *instance) run() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.runID
}

// infoField returns a field of what INFO answers, "" if it is not there.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
