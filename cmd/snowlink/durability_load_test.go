package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

const browser = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"

// errNotSent means that the service was away: nothing of the request can have reached it.
var errNotSent = errors.New("not sent")

// A line is one keep-alive connection that never sends a request twice: a client that retries in
// secret would make one visit two.
type line struct {
	address string
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
	answer  fasthttp.Response
}

func (l *line) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// exchange sends one request and reads its answer, which is valid until the next. After an error
// other than errNotSent the service may have acted on it or not.
func (l *line) exchange(method, path, headers, body string) (*fasthttp.Response, error) {
	if l.conn == nil {
		conn, err := net.Dial("tcp", l.address)
		if err != nil {
			return nil, errNotSent
		}
		l.conn, l.reader = conn, bufio.NewReader(conn)
	}
	l.request = fmt.Appendf(l.request[:0], "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, path, l.address, headers, body)
	_ = l.conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := l.conn.Write(l.request)
	if err == nil {
		err = l.answer.Read(l.reader)
	}
	if err != nil {
		l.hangUp()
		return nil, err
	}
	if l.answer.ConnectionClose() {
		l.hangUp()
	}
	return &l.answer, nil
}

// follow asks for a short link and says where it leads.
func (l *line) follow(code, mark string) (status int, location string, err error) {
	answer, err := l.exchange("GET", "/"+code+"?utm_content="+mark, "User-Agent: "+browser+"\r\nAccept-Language: en-GB,en;q=0.9\r\n", "")
	if err != nil {
		return 0, "", err
	}
	return answer.StatusCode(), string(answer.Header.Peek("Location")), nil
}

// create makes a link. The code is "" if the service did not.
func (l *line) create(target string) (code string, status int, err error) {
	body, err := json.Marshal(map[string]string{"url": target})
	if err != nil {
		return "", 0, err
	}
	headers := fmt.Sprintf("Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", testKey, len(body))
	answer, err := l.exchange("POST", "/api/v1/links", headers, string(body))
	if err != nil {
		return "", 0, err
	}
	if status = answer.StatusCode(); status != http.StatusCreated {
		return "", status, nil
	}
	var link struct{ Code, URL string }
	if err := json.Unmarshal(answer.Body(), &link); err != nil || link.URL != target {
		return "", status, fmt.Errorf("got %q (%v), want a link to %s", answer.Body(), err, target)
	}
	return link.Code, status, nil
}

// load is a crowd of visitors and makers of links, and what they remember.
type load struct {
	t       testing.TB
	service *service

	clicks, creates atomic.Int64 // answered so far
	over            atomic.Bool
	crowd           sync.WaitGroup

	mu    sync.Mutex
	codes []string // of created
	outcome
	unavailable int // 429 and 503: honest refusals, which are no redirects
}

func newLoad(t testing.TB, s *service) *load {
	l := &load{t: t, service: s, outcome: outcome{
		created: map[string]string{}, answered: map[string]followed{}, cutOff: map[string]bool{},
	}}
	t.Cleanup(l.disperse)
	return l
}

// disperse ends the crowd; nobody has a request under way after it.
func (l *load) disperse() {
	l.over.Store(true)
	l.crowd.Wait()
}

// target returns the nth target, in the form in which the service stores it.
func target(n int64) string {
	return fmt.Sprintf("https://example.com/durability/%08d?a=b&c=%%20d;%d#part-%d", n, n*n, n)
}

// create has links made until enough are there or it is over. With every = n > 0 it makes no more than
// one for n answered clicks, so that creates are in flight all the time.
func (l *load) create(enough, every int64, next *atomic.Int64) {
	to := line{address: l.service.public}
	defer to.hangUp()
	for !l.over.Load() && l.creates.Load() < enough {
		if every > 0 && next.Load() > l.clicks.Load()/every {
			l.breathe()
			continue
		}
		want := target(next.Add(1))
		code, status, err := to.create(want)
		switch {
		case err != nil && status == http.StatusCreated:
			l.t.Errorf("create: %v", err)
			return
		case err != nil, status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
			l.breathe()
		case status != http.StatusCreated:
			l.t.Errorf("create: got status %d, want %d", status, http.StatusCreated)
			return
		default:
			l.remember(code, want)
		}
	}
}

func (l *load) remember(code, target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, taken := l.created[code]; taken {
		l.t.Errorf("code %s was given to %s and to %s", code, other, target)
	}
	l.created[code] = target
	l.codes = append(l.codes, code)
	l.creates.Add(1)
}

// breathe lets the service come back.
func (l *load) breathe() { time.Sleep(2 * time.Millisecond) }

// visit follows links, drawn at random, until enough clicks were answered or it is over.
func (l *load) visit(name string, enough int64) {
	to := line{address: l.service.public}
	defer to.hangUp()
	for n := 0; !l.over.Load() && l.clicks.Load() < enough; {
		l.mu.Lock()
		code := l.codes[rand.IntN(len(l.codes))]
		l.mu.Unlock()
		life := l.service.lives.Load()
		mark := fmt.Sprintf("%s-%d", name, n)
		if !l.click(&to, code, mark) {
			l.breathe()
			continue
		}
		n++
		// A process that dies still accepts connections for a moment. Whoever was cut off stays away until
		// the next one lives, so that each line loses one request to each kill.
		for l.wasCutOff(mark) && life == l.service.lives.Load() && !l.over.Load() {
			l.breathe()
		}
	}
}

func (l *load) wasCutOff(mark string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cutOff[mark]
}

// click follows one link and remembers what became of it. It returns false if the service was away.
func (l *load) click(to *line, code, mark string) bool {
	status, location, err := to.follow(code, mark)
	if errors.Is(err, errNotSent) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.cutOff[mark] = true
	case status == http.StatusFound:
		l.answered[mark] = followed{code, location}
		l.clicks.Add(1)
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		l.unavailable++
	default:
		l.t.Errorf("link %s is answered %d, want %d", code, status, http.StatusFound)
	}
	return true
}

// resolve asks once for each link that was created. These visits are counted like all others.
func (l *load) resolve() {
	l.resolved = map[string]string{}
	to := line{address: l.service.public}
	defer to.hangUp()
	for code := range l.created {
		mark := "resolve-" + code
		if l.click(&to, code, mark) {
			if visit, ok := l.answered[mark]; ok {
				l.resolved[code] = visit.location
			}
		}
	}
}

// settle reads the export until it holds every click that was answered or, when clicks have got
// lost, until nothing has been added to it for the time of patience.
func (l *load) settle(patience time.Duration) {
	l.t.Helper()
	began, changed := time.Now(), time.Now()
	l.service.eventually("settled", 3*time.Minute, func() error {
		clicks, err := l.export()
		if err != nil {
			return err
		}
		if len(clicks) != len(l.exported) {
			l.exported, changed = clicks, time.Now()
		}
		missing := maps.Clone(l.answered)
		for _, click := range clicks {
			delete(missing, click.mark)
		}
		if len(missing) > 0 && time.Since(changed) < patience {
			return fmt.Errorf("%d of %d clicks are not in the export after %v", len(missing), len(l.answered), time.Since(began))
		}
		return nil
	})
}

func (l *load) export() ([]counted, error) {
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.service.public+"/api/v1/clicks/export?format=ndjson", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("export: %s", resp.Status)
	}
	var clicks []counted
	for rows := json.NewDecoder(resp.Body); rows.More(); {
		var row struct {
			Code    string `json:"code"`
			Content string `json:"utm_content"`
		}
		if err := rows.Decode(&row); err != nil {
			return nil, fmt.Errorf("row %d of the export: %w", len(clicks), err)
		}
		clicks = append(clicks, counted{row.Code, row.Content})
	}
	return clicks, nil
}
