package rig

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// StartRedis runs a redis-server that keeps its data in memory alone, and returns its address.
func StartRedis(ctx context.Context, dir string, core int) (p *Process, address string, err error) {
	if address, err = FreeAddress(); err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(address)
	p, err = Start(dir, core, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	if err != nil {
		return nil, "", err
	}
	if err := p.AwaitPort(ctx, address); err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, address, nil
}

// Fleet is snowlink with its roles apart: link shards on Redis, one process that is api and worker, and
// edges that are started when they are needed.
type Fleet struct {
	Rear *Snowlink // api and worker; its Address is that of the api

	binary, dir string
	shared      []string // flags that every process has
	running     []*Process
}

const clusterSecret = "the-secret-of-a-benchmark-0123456789"

// StartFleet runs as many shards and the rear. Further flags, such as the event store, go to the rear.
func StartFleet(ctx context.Context, binary, dir string, shards int, flags ...string) (f *Fleet, err error) {
	f = &Fleet{binary: binary, dir: dir, shared: []string{"--cluster-secret=" + clusterSecret}}
	defer func() {
		if err != nil {
			f.Stop()
		}
	}()
	var members []string
	for i := range shards {
		own, err := f.folder(fmt.Sprintf("redis%d", i))
		if err != nil {
			return nil, err
		}
		p, address, err := StartRedis(ctx, own, -1)
		if err != nil {
			return nil, err
		}
		f.running = append(f.running, p)
		members = append(members, fmt.Sprintf("s%d=redis://%s", i, address))
	}
	f.shared = append(f.shared, "--redis="+strings.Join(members, ","))
	api, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	flags = append([]string{"--role=api,worker", "--api-listen=" + api, "--admin-key=" + Key, "--limit-key=0"}, flags...)
	if f.Rear, err = f.start(ctx, "rear", flags...); err != nil {
		return nil, err
	}
	f.Rear.Address = api
	return f, nil
}

// StartEdge runs an edge and returns when it is ready.
func (f *Fleet) StartEdge(ctx context.Context, name string, flags ...string) (*Snowlink, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	s, err := f.start(ctx, name, append([]string{"--role=edge", "--listen=" + address}, flags...)...)
	if err != nil {
		return nil, err
	}
	s.Address = address
	return s, nil
}

func (f *Fleet) start(ctx context.Context, name string, flags ...string) (*Snowlink, error) {
	own, err := f.folder(name)
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	args := append([]string{f.binary, "serve", "--admin-listen=" + admin, "--data-dir=" + filepath.Join(own, "data")}, f.shared...)
	p, err := Start(own, -1, append(args, flags...)...)
	if err != nil {
		return nil, err
	}
	f.running = append(f.running, p)
	return &Snowlink{Process: p, Admin: admin}, p.Await(ctx, "http://"+admin+"/readyz", http.StatusOK)
}

func (f *Fleet) folder(name string) (string, error) {
	dir := filepath.Join(f.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

// Stop ends everything, the last that was started first.
func (f *Fleet) Stop() {
	for i := len(f.running) - 1; i >= 0; i-- {
		f.running[i].Stop()
	}
}
