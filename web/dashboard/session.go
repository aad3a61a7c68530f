package dashboard

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// sessions seals API keys into cookies with AES-GCM. No process keeps a list: a session is good for as long as
// its key is and the seal not older than sessionLength, and is sealed anew every sessionRotation.
type sessions struct {
	seal cipher.AEAD
	now  func() time.Time
}

const (
	sessionLength   = 30 * 24 * time.Hour
	sessionRotation = 24 * time.Hour
)

// session is who is logged in.
type session struct {
	Key    string    `json:"k"` // the API key
	Sealed time.Time `json:"t"`
}

func newSessions(key []byte, now func() time.Time) (*sessions, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return &sessions{seal, now}, nil
}

var errNoSession = errors.New("no session")

// of returns the session of a request.
func (s *sessions) of(r *http.Request) (session, error) {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return session{}, errNoSession
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(raw) < s.seal.NonceSize() {
		return session{}, errNoSession
	}
	text, err := s.seal.Open(nil, raw[:s.seal.NonceSize()], raw[s.seal.NonceSize():], nil)
	if err != nil {
		return session{}, errNoSession
	}
	var one session
	if json.Unmarshal(text, &one) != nil || s.now().Sub(one.Sealed) > sessionLength {
		return session{}, errNoSession
	}
	return one, nil
}

// begin gives the visitor a session of key.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, key string) error {
	text, err := json.Marshal(session{Key: key, Sealed: s.now()})
	if err != nil {
		return err
	}
	nonce := make([]byte, s.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	value := base64.RawURLEncoding.EncodeToString(s.seal.Seal(nonce, nonce, text, nil))
	http.SetCookie(w, cookieOf(r, value, int(sessionLength/time.Second)))
	return nil
}

// rotate seals the session anew if it was sealed long ago.
func (s *sessions) rotate(w http.ResponseWriter, r *http.Request, one session) error {
	if s.now().Sub(one.Sealed) < sessionRotation {
		return nil
	}
	return s.begin(w, r, one.Key)
}

// end takes the session away.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, cookieOf(r, "", -1))
}

func cookieOf(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(r), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure(r),
	}
}

// cookieName has the prefix by which browsers keep a cookie to this host and to HTTPS, wherever the
// connection allows for it.
func cookieName(r *http.Request) string {
	if secure(r) {
		return "__Host-snowlink"
	}
	return "snowlink"
}

// secure reports whether the visitor's browser takes this address for a safe one: HTTPS, as far as a proxy
// in front tells, or this very machine.
func secure(r *http.Request) bool {
	if r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
