package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"snowlink/shortener"
)

// The headers of internal calls.
const (
	// ClusterHeader carries the secret that the roles of one installation know each other by.
	ClusterHeader = "X-Snowlink-Cluster"
	// InstallationHeader names the installation that an answer is of.
	InstallationHeader = "X-Snowlink-Installation"
	// ProtocolHeader carries the shortener.Protocol of who asks, and of who answers.
	ProtocolHeader = "X-Snowlink-Protocol"
)

// Salter keeps the salts of visitors' hashes.
type Salter interface {
	// Salt returns the salt of a day, "2006-01-02", the same to all who ask.
	Salt(ctx context.Context, day string) ([]byte, error)
}

// routeInternal adds what edges ask for. It is not in the OpenAPI document, and the gateway leads
// nobody here. Without a secret nobody is admitted, which is not answered 404: an edge would take that
// for an answer about a link.
func (a *API) routeInternal() {
	group := a.router.Group("/internal", a.admitCluster)
	group.GET("/resolve", a.resolve)
	if a.config.Salts != nil {
		group.GET("/salt", a.salt)
	}
	if a.config.Membership != nil {
		group.GET("/membership", a.membership)
	}
}

// admitCluster admits the roles of this installation whose protocol is understood, and says who answers.
func (a *API) admitCluster(c *gin.Context) {
	c.Header(ProtocolHeader, strconv.Itoa(shortener.Protocol))
	// Hashes have one length: comparing them tells nothing of the secret's.
	want, got := sha256.Sum256([]byte(a.config.ClusterSecret)), sha256.Sum256([]byte(c.GetHeader(ClusterHeader)))
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 || a.config.ClusterSecret == "" {
		writeProblem(c, shortener.Errorf(shortener.Forbidden, "This is for the service's own use."))
		return
	}
	c.Header(InstallationHeader, a.config.Installation)
	if spoken, err := strconv.Atoi(c.GetHeader(ProtocolHeader)); err != nil || !shortener.Understands(spoken) {
		writeProblem(c, shortener.InvalidField(ProtocolHeader, "unknown-protocol",
			"This process speaks protocol %d, and the caller %q: bring the older one up to date, one version at a time.", shortener.Protocol, c.GetHeader(ProtocolHeader)))
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), a.config.Limits.Timeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

// resolve answers the encoded record of a link, deleted ones too; 404 only if there was never one. The
// domain is that of the ref: empty for the default one. One that this role does not know is 422: the
// roles are configured differently, and nothing can be said of the link.
func (a *API) resolve(c *gin.Context) {
	ref, err := a.config.Links.Ref(c.Query("domain"), c.Query("code"))
	if err != nil {
		writeProblem(c, in("query", err))
		return
	}
	record, err := a.config.Links.Resolve(c.Request.Context(), ref)
	if err != nil {
		writeProblem(c, err)
		return
	}
	c.Data(http.StatusOK, "application/octet-stream", shortener.AppendRecord(nil, record))
}

// saltDays is how far from today a day may be: clocks differ, and hashes of the day before may still be
// due.
const saltDays = 1

func (a *API) salt(c *gin.Context) {
	text := c.Query("day")
	day, err := time.Parse(time.DateOnly, text)
	if off := a.now().Sub(day); err != nil || off < -saltDays*24*time.Hour || off > (saltDays+1)*24*time.Hour {
		writeProblem(c, in("query", shortener.InvalidField("day", "invalid-day", "Use a day near today, such as 2026-11-23.")))
		return
	}
	salt, err := a.config.Salts.Salt(c.Request.Context(), text)
	if err != nil {
		writeProblem(c, err)
		return
	}
	c.Data(http.StatusOK, "application/octet-stream", salt)
}

// membership answers the membership of the link shards, with the passwords in it, as the event store has
// it; 204 if it is not newer than the epoch that the caller has.
func (a *API) membership(c *gin.Context) {
	have, err := strconv.ParseUint(c.DefaultQuery("have", "0"), 10, 64)
	if err != nil {
		writeProblem(c, in("query", shortener.InvalidField("have", "invalid-value", "have is an epoch: a whole number.")))
		return
	}
	epoch, body, err := a.config.Membership(c.Request.Context())
	if err != nil {
		writeProblem(c, err)
		return
	}
	if epoch <= have {
		c.Status(http.StatusNoContent)
		return
	}
	c.Data(http.StatusOK, "application/json", body)
}
