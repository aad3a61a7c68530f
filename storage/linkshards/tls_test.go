package linkshards_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"snowlink/shortener"
	"snowlink/storage/linkshards"
)

// writePair writes a certificate that vouches for itself, and its key.
func writePair(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shard"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}

func TestShardsByTLS(t *testing.T) {
	cert, key := writePair(t)
	server := startRedis(t)
	server.kill()
	server.start(t, "--port", "0", "--tls-port", strconv.Itoa(server.port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert,
		"--requirepass", "pw")
	address := "rediss://:pw@127.0.0.1:" + strconv.Itoa(server.port)
	full := address + "?tls_ca=" + cert + "&tls_cert=" + cert + "&tls_key=" + key
	s := open(t, mustFirst(t, linkshards.MemberSpec{Name: "a", URL: full}), linkshards.Options{Breaker: patient, WriteTimeout: 5 * time.Second})
	mustPut(t, s, record("x", 1))
	verify(t, s, "a")
	wantRecord(t, s, record("x", 1))

	for name, url := range map[string]string{
		"an authority that is not the system's": address,
		"no certificate of our own":             address + "?tls_ca=" + cert,
		"no TLS":                                "redis://:pw@127.0.0.1:" + strconv.Itoa(server.port),
	} {
		stranger := open(t, mustFirst(t, linkshards.MemberSpec{Name: "a", URL: url}), linkshards.Options{})
		if _, err := stranger.Get(t.Context(), shortener.Ref{Code: "x"}); shortener.KindOf(err) != shortener.Unavailable || errors.Is(err, linkshards.ErrMiss) {
			t.Errorf("%s: got %v, want Unavailable", name, err)
		}
	}

	// Deadlines hold when the server hangs, on connections that are there and on new ones.
	server.cmd.Process.Signal(syscall.SIGSTOP)
	defer server.cmd.Process.Signal(syscall.SIGCONT)
	best := time.Hour
	for range 5 {
		begun := time.Now()
		if _, err := s.Get(t.Context(), shortener.Ref{Code: "x"}); shortener.KindOf(err) != shortener.Unavailable {
			t.Fatalf("get from what hangs: got %v, want Unavailable", err)
		}
		best = min(best, time.Since(begun))
	}
	if best < 50*time.Millisecond || best > 100*time.Millisecond { // the best of five: the machine may be busy
		t.Errorf("get took %v at best, want 50ms", best)
	}
}

func TestTLSThatIsRefused(t *testing.T) {
	cert, key := writePair(t)
	for name, tc := range map[string]struct{ address, want string }{
		"no TLS":               {"redis://h?tls_ca=" + cert, "rediss"},
		"a file that is none":  {"rediss://h?tls_ca=/nowhere", "/nowhere"},
		"no certificate in it": {"rediss://h?tls_ca=" + key, "no certificate"},
		"a key that lacks":     {"rediss://h?tls_cert=" + cert, "tls_key"},
		"an unknown setting":   {"rediss://h?tls_magic=1", "tls_magic"},
		"by Sentinel too":      {"rediss+sentinel://h/main?tls_ca=/nowhere", "/nowhere"},
		"an escape that fails": {"rediss://h?tls_ca=%zz", "tls_ca"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := linkshards.ParseMembers("a=" + tc.address); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
	if _, err := linkshards.ParseMembers("a=rediss+sentinel://h1,h2/main?tls_ca=" + cert + ",b=rediss://h?tls_ca=" + cert + "&db=1&weight=2"); err != nil {
		t.Error(err)
	}
}
