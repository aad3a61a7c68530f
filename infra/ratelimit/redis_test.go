//go:build integration

package ratelimit

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a real Redis that can be stopped, killed and started again with nothing in it.
type redisServer struct {
	t    testing.TB
	port string
	cmd  *exec.Cmd
}

func startRedis(t testing.TB) *redisServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &redisServer{t: t, port: fmt.Sprint(l.Addr().(*net.TCPAddr).Port)}
	_ = l.Close()
	t.Cleanup(r.kill)
	r.start()
	return r
}

func (r *redisServer) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: "127.0.0.1:" + r.port, MaxRetries: -1, DialerRetries: 1, DialTimeout: 500 * time.Millisecond, ContextTimeoutEnabled: true,
	})
}

func (r *redisServer) start() {
	r.t.Helper()
	r.cmd = exec.Command("redis-server", "--port", r.port, "--bind", "127.0.0.1", "--save", "", "--dir", r.t.TempDir())
	if err := r.cmd.Start(); err != nil {
		r.t.Fatalf("start redis-server (apt-get install redis-server): %v", err)
	}
	client := r.client()
	defer client.Close()
	for deadline := time.Now().Add(20 * time.Second); client.Ping(r.t.Context()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("redis-server does not answer")
		}
	}
}

func (r *redisServer) kill() {
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func (r *redisServer) signal(s syscall.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Errorf("%v: %v", s, err)
	}
}

// What a child of the test is told by its environment.
const (
	childRedis = "RATELIMIT_TEST_REDIS" // its port
	childFor   = "RATELIMIT_TEST_FOR"
	childWaits = "RATELIMIT_TEST_DEADLINE"
	children   = 8
)

var childLimit = Limit{Rate: 50, Burst: 100}

func TestMain(m *testing.M) {
	if port := os.Getenv(childRedis); port != "" {
		runChild(port)
		return
	}
	os.Exit(m.Run())
}

// runChild asks for tokens of one key that all children have, and of another that is new each time and so
// must be asked for, again and again. It writes of each call when it began and ended, in microseconds,
// which key it was, and whether it was allowed.
func runChild(port string) {
	lasts, err := time.ParseDuration(os.Getenv(childFor))
	if err != nil {
		panic(err)
	}
	deadline, err := time.ParseDuration(os.Getenv(childWaits))
	if err != nil {
		panic(err)
	}
	r := &redisServer{port: port}
	shared := NewShared(r.client(), SharedConfig{
		Prefix: "limit:", Processes: func() int { return children }, Deadline: deadline, Logger: slog.New(slog.DiscardHandler),
	})
	limit := shared.Limit("l", childLimit, Share)
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	defer cancel()
	go func() { _ = shared.Run(ctx) }()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for i := 0; ctx.Err() == nil; i++ {
		for _, key := range []string{"k", fmt.Sprint(os.Getpid(), ".", i)} {
			began := time.Now()
			allowed := limit.Allow(context.Background(), key, 1).Allowed
			fmt.Fprintln(out, began.UnixMicro(), time.Now().UnixMicro(), key == "k", allowed)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// A record is of one call of a child.
type record struct {
	began, ended int64 // µs
	shared       bool  // it was for the key of all
	allowed      bool
}

// crowd runs the children, each a process, and returns what they recorded.
func crowd(t *testing.T, r *redisServer, lasts, deadline time.Duration, meanwhile func()) (all []record) {
	var cmds []*exec.Cmd
	var outs [children]strings.Builder
	for i := range children {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childRedis+"="+r.port, childFor+"="+lasts.String(), childWaits+"="+deadline.String())
		cmd.Stdout, cmd.Stderr = &outs[i], os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	meanwhile()
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("child %d: %v", i, err)
		}
		for line := range strings.Lines(outs[i].String()) {
			f := strings.Fields(line)
			began, _ := strconv.ParseInt(f[0], 10, 64)
			ended, _ := strconv.ParseInt(f[1], 10, 64)
			all = append(all, record{began, ended, f[2] == "true", f[3] == "true"})
		}
	}
	return all
}

// excess returns the most by which the calls that were allowed exceed what the limit allows so many times, over
// any stretch of time. A call was decided at some moment between its beginning and its end.
func excess(all []record, times float64) (most float64, allowed int) {
	all = slices.DeleteFunc(slices.Clone(all), func(r record) bool { return !r.shared || !r.allowed })
	slices.SortFunc(all, func(a, b record) int { return int(a.ended - b.ended) })
	most = -1e9
	for _, first := range all {
		within := 0
		for _, last := range all {
			if last.began < first.began {
				continue
			}
			within++
			seconds := float64(last.ended-first.began) / 1e6
			most = max(most, float64(within)-times*(float64(childLimit.Burst)+childLimit.Rate*seconds))
		}
	}
	return most, len(all)
}

// slow counts the calls that took longer than that.
func slow(all []record, limit time.Duration) (n int) {
	for _, r := range all {
		if time.Duration(r.ended-r.began)*time.Microsecond > limit {
			n++
		}
	}
	return n
}

func TestEightProcessesShareABucket(t *testing.T) {
	const lasts = 4 * time.Second
	const usual, patient = 25 * time.Millisecond, 10 * time.Second // a loaded machine is no fault of Redis
	for name, tc := range map[string]struct {
		times    float64
		deadline time.Duration
		fault    func(*redisServer)
	}{
		"Redis stays": {1, patient, func(*redisServer) {}},
		"Redis is killed and comes back empty": {2, usual, func(r *redisServer) {
			time.Sleep(lasts / 4)
			r.kill()
			time.Sleep(lasts / 4)
			r.start()
		}},
		"Redis is killed for good": {2, usual, func(r *redisServer) { time.Sleep(lasts / 4); r.kill() }},
		"Redis hangs and goes on": {2, usual, func(r *redisServer) {
			time.Sleep(lasts / 4)
			r.signal(syscall.SIGSTOP)
			time.Sleep(lasts / 4)
			r.signal(syscall.SIGCONT)
		}},
		"Redis was never there": {1, usual, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRedis(t)
			if tc.fault == nil {
				r.kill()
				tc.fault = func(*redisServer) {}
			}
			all := crowd(t, r, lasts, tc.deadline, func() { tc.fault(r) })
			over, allowed := excess(all, tc.times)
			late := slow(all, 50*time.Millisecond)
			t.Logf("%d calls, %d allowed, %.1f of the bound left; %d took over 5 ms, %d over 50 ms",
				len(all), allowed, -over, slow(all, 5*time.Millisecond), late)
			if over > 0 {
				t.Errorf("got %.1f calls more than %g times the limit allows", over, tc.times)
			}
			if least := childLimit.Burst - children; allowed < least {
				t.Errorf("got %d calls allowed, want %d at least, which buckets that are full have", allowed, least)
			}
			// A machine that has no time for a process makes it wait, too.
			if most := len(all) / 100; late > most && tc.deadline == usual {
				t.Errorf("got %d of %d calls that took over 50 ms, want %d at most", late, len(all), most)
			}
		})
	}
}

// The suite of the scripts runs on miniredis; what that might hide is how a real one reads and writes numbers.
func TestOnRedis(t *testing.T) {
	client := startRedis(t).client()
	defer client.Close()
	p := NewShared(client, SharedConfig{Prefix: "limit:", Deadline: 10 * time.Second})
	slowly := p.Limit("slowly", Limit{Rate: 1e-6, Burst: 3}, Closed) // a bucket takes a month to fill
	for want := 2; want >= 0; want-- {
		if got := slowly.Allow(t.Context(), "k", 1); !got.Allowed || got.Remaining != want {
			t.Fatalf("got %+v, want it allowed and %d left", got, want)
		}
	}
	const token = 1e6 * time.Second
	if got := slowly.Allow(t.Context(), "k", 1); got.Allowed || got.RetryAfter > token || got.RetryAfter < token-time.Minute {
		t.Errorf("got %+v, want it refused for %v", got, token)
	}
	bucket := p.bucketKey("slowly", "k")
	value, err := client.Get(t.Context(), bucket).Result()
	if err != nil || strings.ContainsAny(value, ".e") {
		t.Errorf("got %q, %v, want whole microseconds", value, err)
	}
	if ttl := client.PTTL(t.Context(), bucket).Val(); ttl > 3*token || ttl < 3*token-time.Minute {
		t.Errorf("got a time to live of %v, want as long as it takes to fill", ttl)
	}

	fast := p.Limit("fast", Limit{Rate: 1000, Burst: 5}, Closed)
	if !fast.Allow(t.Context(), "k", 5).Allowed {
		t.Error("got a full bucket's call refused")
	}
	for deadline := time.Now().Add(10 * time.Second); client.Exists(t.Context(), p.bucketKey("fast", "k")).Val() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("got the bucket still there when it was full long ago, want it gone")
		}
	}
	if allowed, _ := p.Allow(t.Context(), Claim{fast, "k", 1}, Claim{slowly, "other", 4}); allowed {
		t.Error("got two claims allowed of which one can never be")
	}
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if !fast.Allow(t.Context(), "k", 1).Allowed || p.Away() {
		t.Error("got a call refused after the scripts were flushed")
	}
}
