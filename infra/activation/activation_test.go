package activation_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"snowlink/infra/activation"
)

// TestMain is also the process that is handed descriptors: it prints what it makes of them.
func TestMain(m *testing.M) {
	if os.Getenv("ACTIVATION_CHILD") == "" {
		os.Exit(m.Run())
	}
	all, err := activation.Listeners("public", "public", "admin")
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	var names []string
	for name, ln := range all {
		names = append(names, name+" "+ln.Addr().String())
	}
	slices.Sort(names)
	_, set := os.LookupEnv("LISTEN_FDS")
	fmt.Println(strings.Join(names, ", "), "set:", set)
}

// child runs this program with the descriptors, and returns what it printed.
func child(t *testing.T, pid string, env []string, files ...*os.File) string {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "LISTEN_PID="+pid+` exec "$0"`, os.Args[0])
	cmd.Env = append(append(os.Environ(), "ACTIVATION_CHILD=1"), env...)
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestListeners(t *testing.T) {
	tcp := func() (*os.File, string) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close(); _ = ln.Close() })
		return f, ln.Addr().String()
	}
	a, at := tcp()
	b, bt := tcp()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	connected, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	local, err := net.Listen("unix", t.TempDir()+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	unix, err := local.(*net.UnixListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()

	for _, test := range []struct {
		name, pid, fds, names string
		files                 []*os.File
		want                  string
	}{
		{"by name", "$$", "2", "admin:public", []*os.File{a, b}, "admin " + at + ", public " + bt + " set: false"},
		{"a single one without a name", "$$", "1", "", []*os.File{a}, "public " + at + " set: false"},
		{"a single one named after its unit", "$$", "1", "snowlink.socket", []*os.File{a}, "public " + at + " set: false"},
		{"for another process", "1", "1", "public", []*os.File{a}, " set: false"},
		{"unknown name", "$$", "1", "door", []*os.File{a}, `error: a descriptor handed over has the name "door", want one of public, admin`},
		{"one name twice", "$$", "2", "public:public", []*os.File{a, b}, `error: two descriptors handed over have the name "public"`},
		{"two without names", "$$", "2", "", []*os.File{a, b}, `error: a descriptor handed over has the name "", want one of public, admin`},
		{"a connection", "$$", "1", "public", []*os.File{connected}, `error: descriptor 3 ("public") is not a listening socket`},
		{"a file", "$$", "1", "public", []*os.File{null}, `error: descriptor 3 ("public") is not a listening socket`},
		{"no descriptor", "$$", "1", "public", nil, `error: descriptor 3 ("public") is not a listening socket`},
		{"a socket of another kind", "$$", "1", "public", []*os.File{unix}, `error: descriptor 3 ("public") listens on unix, want TCP`},
		{"no number", "$$", "many", "public", []*os.File{a}, `error: LISTEN_FDS is "many", want the number of descriptors`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := child(t, test.pid, []string{"LISTEN_FDS=" + test.fds, "LISTEN_FDNAMES=" + test.names}, test.files...)
			if first, _, _ := strings.Cut(got, "\n"); first != strings.TrimSpace(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
