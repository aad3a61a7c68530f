package rig

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
)

//go:embed browser.lua
var browser []byte

// Crowd is wrk with the requests of a browser.
type Crowd struct {
	core        int
	connections int
	script      string
	codes       string
}

// NewCrowd returns one that asks for random links over keep-alive connections. It keeps its files in
// dir, and runs on one core; core < 0 leaves the choice to the kernel.
func NewCrowd(dir string, core, connections int, links []Link) (*Crowd, error) {
	c := &Crowd{core: core, connections: connections, script: filepath.Join(dir, "browser.lua"), codes: filepath.Join(dir, "codes")}
	var codes strings.Builder
	for _, l := range links {
		codes.WriteString(l.Code + "\n")
	}
	if err := os.WriteFile(c.codes, []byte(codes.String()), 0o644); err != nil {
		return nil, err
	}
	return c, os.WriteFile(c.script, browser, 0o644)
}

// Run asks for as long as d and returns how many answers came in how long. An answer that is no
// redirect is an error.
func (c *Crowd) Run(ctx context.Context, address string, d time.Duration) (requests int64, took time.Duration, err error) {
	args := []string{
		"wrk", "-t1", fmt.Sprintf("-c%d", c.connections), fmt.Sprintf("-d%ds", int(d.Seconds())), "-s", c.script, "http://" + address, "--", c.codes,
	}
	if c.core >= 0 {
		args = append([]string{"taskset", "-c", strconv.Itoa(c.core)}, args...)
	}
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
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
