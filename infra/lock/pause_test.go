//go:build integration

package lock

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// The process of the test runs itself again as a holder of locks, with these.
const (
	holderVariable = "LOCK_TEST_HOLDER" // its name
	redisVariable  = "LOCK_TEST_REDIS"  // address
	pausesVariable = "LOCK_TEST_PAUSES" // how many holders are paused: 150 unless set. A release is held to 1,000
)

const pauseTTL = 25 * time.Millisecond

// written is a store that takes a write under a fence unless it has seen a greater one. It keeps what it took.
var written = redis.NewScript(`
if tonumber(ARGV[1]) < tonumber(redis.call('GET', 'highest') or '0') then
  return redis.call('INCR', 'refused')
end
redis.call('SET', 'highest', ARGV[1])
redis.call('RPUSH', 'taken', ARGV[1] .. ' ' .. ARGV[2])
return 0`)

// TestPausedHoldersWriteNothing pauses whoever holds the lock for longer than its time, again and again, while the
// others take it over. Whoever wakes up goes on to write, and the store takes none of it.
func TestPausedHoldersWriteNothing(t *testing.T) {
	client := startRedis(t)
	pauses, err := strconv.Atoi(os.Getenv(pausesVariable))
	if err != nil {
		pauses = 150
	}
	pids := map[string]int{}
	for i := range 4 {
		name := "h" + strconv.Itoa(i)
		cmd := exec.Command(os.Args[0], "-test.run=^TestHolder$")
		cmd.Env = append(os.Environ(), holderVariable+"="+name, redisVariable+"="+client.Options().Addr)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		pids[name] = cmd.Process.Pid
	}
	for done, deadline := 0, time.Now().Add(5*time.Minute); done < pauses; {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d pauses in 5 minutes", done, pauses)
		}
		held, err := Held(t.Context(), client, "job")
		if err != nil {
			t.Fatal(err)
		}
		if len(held) == 0 {
			continue
		}
		pid := pids[held[0].Holder]
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(pauseTTL * 3 / 2)
		_ = syscall.Kill(pid, syscall.SIGCONT)
		done++
	}
	checkTaken(t, client, pauses)
}

func checkTaken(t *testing.T, client *redis.Client, pauses int) {
	t.Helper()
	taken, err := client.LRange(t.Context(), "taken", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	refused, _ := client.Get(t.Context(), "refused").Int()
	rounds, _ := client.Get(t.Context(), "rounds").Int()
	t.Logf("%d pauses, %d rounds, %d writes taken, %d of stale holders refused", pauses, rounds, len(taken), refused)
	holders := map[int64]string{}
	var last int64
	for _, one := range taken {
		digits, holder, _ := strings.Cut(one, " ")
		fence, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if fence < last {
			t.Errorf("fence %d was taken after %d", fence, last)
		}
		if before, ok := holders[fence]; ok && before != holder {
			t.Errorf("fence %d is of %s and of %s", fence, before, holder)
		}
		holders[fence], last = holder, fence
	}
	if refused == 0 || len(taken) == 0 || rounds < pauses {
		t.Errorf("%d rounds, %d writes taken, %d refused: this shows nothing", rounds, len(taken), refused)
	}
}

// TestHolder is a process of TestPausedHoldersWriteNothing: it takes the lock, writes while it thinks it has it, and
// gives it back, until it is killed.
func TestHolder(t *testing.T) {
	name := os.Getenv(holderVariable)
	if name == "" {
		return // it is the parent's run
	}
	client := redis.NewClient(&redis.Options{Addr: os.Getenv(redisVariable)})
	for ctx := context.Background(); ; {
		lease, err := Acquire(ctx, client, "job", name, pauseTTL)
		if err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		client.Incr(ctx, "rounds")
		for range 3 {
			if lease.Context().Err() != nil {
				break
			}
			time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond) // here a pause does its harm
			_ = written.Run(ctx, client, nil, lease.Fence(), name).Err()
		}
		_ = lease.Release(ctx)
	}
}
