package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"snowlink/benchmarks/rig"
)

// memory is what idle connections took.
type memory struct{ mib float64 }

func measureIdle(edge *rig.Snowlink, n int, links []rig.Link) (m memory, err error) {
	warm, err := net.Dial("tcp", edge.Address)
	if err != nil {
		return m, err
	}
	defer warm.Close()
	for i := range n { // clicks take memory on their way, connections or not
		if err := visit(warm, links[i%len(links)]); err != nil {
			return m, err
		}
	}
	time.Sleep(3 * time.Second)
	before, err := resident(edge.PID())
	if err != nil {
		return m, err
	}
	open := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for i := range n {
		c, err := net.Dial("tcp", edge.Address)
		if err != nil {
			return m, fmt.Errorf("connection %d: %w", i, err)
		}
		open = append(open, c)
		if err := visit(c, links[i%len(links)]); err != nil {
			return m, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	time.Sleep(3 * time.Second)
	after, err := resident(edge.PID())
	return memory{after - before}, err
}

// visit asks for a link on a connection that stays open.
func visit(c net.Conn, link rig.Link) error {
	if _, err := io.WriteString(c, requestFor(link)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 1<<10), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return fmt.Errorf("GET /%s: %s", link.Code, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func requestFor(link rig.Link) string {
	return "GET /" + link.Code + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\r\n"
}

// resident returns the memory of a process that is in RAM, in MiB.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			var kib float64
			_, err := fmt.Sscan(text, &kib)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("process %d tells no VmRSS", pid)
}
