package service

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrInUse is wrapped by the error of openFolder if another process holds the data folder.
var ErrInUse = errors.New("the data folder is in use")

// folder is the data folder, held by this process alone: the embedded stores belong to one.
type folder struct {
	path string
	lock *os.File
}

// openFolder makes the folder if need be and takes it. The kernel gives it back however the process
// ends.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("make the data folder %s: %w; name another by --data-dir", path, err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be written: %w; mend its permissions or name another by --data-dir", path, err)
	}
	take := func() error { return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
	if err := patiently(take); err != nil {
		holder, _ := os.ReadFile(lock.Name())
		lock.Close()
		return nil, fmt.Errorf("%w: %s is held by process %s; stop it or name another by --data-dir",
			ErrInUse, path, strings.TrimSpace(string(holder)))
	}
	f := &folder{path: path, lock: lock}
	if err := f.sign(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("the data folder %s cannot be written: %w", path, err)
	}
	return f, nil
}

// sign writes this process's number into the lock, for the message of whoever comes second.
func (f *folder) sign() error {
	if err := f.lock.Truncate(0); err != nil {
		return err
	}
	_, err := f.lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

func (f *folder) Close() error { return f.lock.Close() }

// identity names the process that has the folder, the same after a restart and unlike all others.
func (f *folder) identity() (string, error) {
	path := f.join("identity")
	raw, err := os.ReadFile(path)
	if err == nil && len(raw) > 0 {
		return strings.TrimSpace(string(raw)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read who this process is: %w", err)
	}
	name := strings.ToLower(rand.Text()[:12])
	return name, f.write("identity", []byte(name+"\n"))
}

func (f *folder) read(name string) ([]byte, error) { return os.ReadFile(f.join(name)) }

// write replaces a file of the folder, whole or not at all, that only this user may read.
func (f *folder) write(name string, content []byte) error {
	fresh := f.join(name + ".new")
	if err := os.WriteFile(fresh, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", f.join(name), err)
	}
	return os.Rename(fresh, f.join(name))
}
