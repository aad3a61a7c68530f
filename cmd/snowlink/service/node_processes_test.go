//go:build integration

package service

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"snowlink/shortener"
)

// The process of the test runs itself again as a node, with these.
const (
	nodeVariable  = "NODE_TEST_NAME"
	redisVariable = "NODE_TEST_REDIS"
	behind        = "NODE_TEST_BEHIND" // by how much its clock is behind that of the last id
)

// newestKey is what the event store tells in the product: the newest id there is.
const newestKey = "newest"

// TestNodesThatComeAndGoMakeNoCodeTwice runs 64 processes for 32 node numbers, kills them at any time and starts others
// in their places, some under a clock that was set back by an hour. No id and no code may be made twice.
func TestNodesThatComeAndGoMakeNoCodeTwice(t *testing.T) {
	address := startRedisServer(t)
	const places, span = 64, 20 * time.Second // longer than the lease of one that was killed
	out := &ids{seen: map[string]string{}, t: t}
	var all sync.WaitGroup
	end := time.Now().Add(span)
	for place := range places {
		all.Go(func() {
			for life := 0; time.Now().Before(end); life++ {
				back := time.Duration(0)
				if life%4 == 3 {
					back = time.Hour
				}
				out.live(fmt.Sprintf("p%d-%d", place, life), address, back, time.Duration(500+rand.IntN(2500))*time.Millisecond)
			}
		})
	}
	all.Wait()
	t.Logf("%d ids by %d processes, %d of which had no number; %d had a clock that was behind", len(out.seen)/2, out.lives, out.idle, out.late)
	if len(out.seen)/2 < 1000 || out.lives < 2*places || out.late == 0 {
		t.Error("this shows nothing")
	}
}

// ids are all that was made, by whom.
type ids struct {
	t                 *testing.T
	mu                sync.Mutex
	seen              map[string]string // by id and by code
	lives, idle, late int
}

// live runs a node for a while and kills it.
func (i *ids) live(name, address string, back, span time.Duration) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestNode$")
	cmd.Env = append(os.Environ(), nodeVariable+"="+name, redisVariable+"="+address, behind+"="+back.String())
	var said bytes.Buffer
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		i.t.Error(err)
		return
	}
	time.Sleep(span)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lives++
	made := 0
	for lines := bufio.NewScanner(&said); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[0] != "made" {
			continue // cut off by the kill
		}
		made++
		for _, one := range fields[1:] {
			if other, twice := i.seen[one]; twice {
				i.t.Errorf("%s was made by %s and by %s", one, other, name)
			}
			i.seen[one] = name
		}
	}
	switch {
	case back > 0:
		if i.late++; made > 0 {
			i.t.Errorf("%s made %d ids under a clock that is behind", name, made)
		}
	case made == 0:
		i.idle++
	}
}

// TestNode is a process of the test above: it makes ids as the api role does, until it is killed.
func TestNode(t *testing.T) {
	name := os.Getenv(nodeVariable)
	if name == "" {
		return // it is the parent's run
	}
	back, err := time.ParseDuration(os.Getenv(behind))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: os.Getenv(redisVariable)})
	newest, _ := client.Get(ctx, newestKey).Int64()
	notBefore := newestTime(newest)
	if back > 0 {
		notBefore = time.Now().Add(back) // as far as the clock is behind the last id
	}
	codes := &nodeCodes{
		client: client, prefix: "node:test", holder: name, fixed: -1, key: make([]byte, 32), notBefore: notBefore, log: slog.New(slog.DiscardHandler),
	}
	go func() { _ = codes.run(ctx) }()
	for {
		id, code, err := codes.Next()
		if shortener.KindOf(err) == shortener.Unavailable && err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		fmt.Printf("made %s %s\n", id, code)
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			client.Set(ctx, newestKey, n, 0)
		}
		time.Sleep(time.Millisecond)
	}
}

func startRedisServer(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v. On Debian: apt-get install redis-server", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
	defer client.Close()
	for deadline := time.Now().Add(10 * time.Second); client.Ping(t.Context()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not answer")
		}
	}
	return address
}
