package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"snowlink/benchmarks/rig"
)

//go:embed browser.lua
var browser []byte

// crowd is wrk with the requests of a browser, on a core of its own.
type crowd struct {
	core        int
	connections int
	script      string
	codes       string
}

func newCrowd(dir string, core, connections int, links []rig.Link) (*crowd, error) {
	c := &crowd{core: core, connections: connections, script: filepath.Join(dir, "browser.lua"), codes: filepath.Join(dir, "codes")}
	var codes strings.Builder
	for _, l := range links {
		codes.WriteString(l.Code + "\n")
	}
	if err := os.WriteFile(c.codes, []byte(codes.String()), 0o644); err != nil {
		return nil, err
	}
	return c, os.WriteFile(c.script, browser, 0o644)
}

// run asks for as long as d and returns how many answers came in how long. An answer that is no
// redirect is an error.
func (c *crowd) run(ctx context.Context, address string, d time.Duration) (requests int64, took time.Duration, err error) {
	out, err := exec.CommandContext(ctx, "taskset", "-c", strconv.Itoa(c.core), "wrk", "-t1", fmt.Sprintf("-c%d", c.connections),
		fmt.Sprintf("-d%ds", int(d.Seconds())), "-s", c.script, "http://"+address, "--", c.codes).CombinedOutput()
	if err != nil {
		return 0, 0, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	var micros, refused, broken int64
	last := out[strings.LastIndex(strings.TrimSpace(string(out)), "\n")+1:]
	if _, err := fmt.Sscanf(string(last), "requests=%d micros=%d refused=%d broken=%d", &requests, &micros, &refused, &broken); err != nil {
		return 0, 0, fmt.Errorf("wrk said %q: %w", last, err)
	}
	if refused+broken > 0 {
		return 0, 0, fmt.Errorf("%s refused %d and broke %d of %d requests", address, refused, broken, requests)
	}
	return requests, time.Duration(micros) * time.Microsecond, nil
}
