package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"snowlink/shortener"
)

// The headers by which the roles of an installation know each other: see package api.
const (
	clusterHeader      = "X-Snowlink-Cluster"
	installationHeader = "X-Snowlink-Installation"
	protocolHeader     = "X-Snowlink-Protocol"
)

var (
	errSecret  = errors.New("the api refuses this process: it has another SNOWLINK_CLUSTER_SECRET")
	errForeign = errors.New("what answers is no api of snowlink")
)

// peer tells answers of this installation's api from those of whoever else may be at its address by now.
// What a stranger says of a link, that there is none say, must not be believed.
type peer struct {
	secret       string
	installation atomic.Pointer[string] // nil: any
	log          *slog.Logger
	said         atomic.Int64 // when a refusal was last logged, in Unix ns
}

// introduce says who asks.
func (p *peer) introduce(req *fasthttp.Request) {
	req.Header.Set(clusterHeader, p.secret)
	req.Header.Set(protocolHeader, strconv.Itoa(shortener.Protocol))
}

// accept returns why the answer is not one of ours, nil if it is. It is logged, though not each time.
func (p *peer) accept(resp *fasthttp.Response) error {
	err := p.judge(resp)
	if err == nil {
		return nil
	}
	const between = 10 * time.Second
	now, last := time.Now().UnixNano(), p.said.Load()
	if now-last > int64(between) && p.said.CompareAndSwap(last, now) {
		p.log.Error("an api cannot be used", "error", err)
	}
	return err
}

func (p *peer) judge(resp *fasthttp.Response) error {
	spoken, err := strconv.Atoi(string(resp.Header.Peek(protocolHeader)))
	if err != nil {
		return fmt.Errorf("%w: status %d without a protocol", errForeign, resp.StatusCode())
	}
	if !shortener.Understands(spoken) {
		return fmt.Errorf("the api speaks protocol %d and this process %d: bring the older one up to date, one version at a time", spoken, shortener.Protocol)
	}
	if resp.StatusCode() == fasthttp.StatusForbidden {
		return errSecret
	}
	theirs, want := string(resp.Header.Peek(installationHeader)), p.installation.Load()
	if want != nil && theirs != *want {
		return fmt.Errorf("the api is of installation %s, and this process of %s: if it is to change over, give it another --data-dir", theirs, *want)
	}
	return nil
}
