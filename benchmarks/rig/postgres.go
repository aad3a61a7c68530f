package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// StartPostgres makes a PostgreSQL cluster in dir with the settings it is shipped with, and runs it. A
// commit waits for the disk. url leads to its database.
func StartPostgres(ctx context.Context, dir string) (p *Process, url string, err error) {
	bin, err := postgresFolder()
	if err != nil {
		return nil, "", err
	}
	as, err := asPostgres(dir)
	if err != nil {
		return nil, "", err
	}
	data := filepath.Join(dir, "pgdata")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "snowlink", "--auth=trust", "--encoding=UTF8", "--locale=C")
	initdb.Dir, initdb.SysProcAttr = dir, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	address, err := FreeAddress()
	if err != nil {
		return nil, "", err
	}
	_, port, _ := net.SplitHostPort(address)
	p, err = startAs(dir, as, -1, filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port, "-k", dir)
	if err != nil {
		return nil, "", err
	}
	if err := p.AwaitPort(ctx, address); err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, "postgres://snowlink@" + address + "/postgres?sslmode=disable", nil
}

// postgresFolder returns where the servers' programs are: Debian does not put them on the PATH.
func postgresFolder() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("initdb is not found: apt-get install postgresql")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// asPostgres returns how the servers are started: PostgreSQL refuses root, who lends it dir instead.
func asPostgres(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return nil, nil //nolint:nilnil // as whoever runs this
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, os.Chown(dir, uid, gid)
}
