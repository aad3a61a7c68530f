package linkshards

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// certificates are what an address says about TLS.
type certificates struct {
	authorities *x509.CertPool // nil: those of the system
	own         []tls.Certificate
}

// of returns config with the certificates in it. Without a config there is no TLS.
func (c certificates) of(config *tls.Config) *tls.Config {
	if config != nil {
		config.RootCAs, config.Certificates = c.authorities, c.own
	}
	return config
}

// takeTLS takes out of an address what it says about TLS, and reads the files it names.
func takeTLS(address string, secure bool) (rest string, c certificates, err error) {
	base, query, _ := strings.Cut(address, "?")
	var kept []string
	named := make(map[string]string)
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(key, "tls_") {
			kept = append(kept, pair)
			continue
		}
		if !secure {
			return "", c, fmt.Errorf("%s is given, but not the scheme rediss: that of the address has no TLS", key)
		}
		if named[key], err = url.QueryUnescape(value); err != nil {
			return "", c, fmt.Errorf("%s cannot be read", key)
		}
	}
	if rest = base; query != "" && len(kept) > 0 {
		rest += "?" + strings.Join(kept, "&")
	}
	c, err = readCertificates(named)
	return rest, c, err
}

func readCertificates(named map[string]string) (c certificates, err error) {
	for key := range named {
		if key != "tls_ca" && key != "tls_cert" && key != "tls_key" {
			return c, fmt.Errorf("%s is none of tls_ca, tls_cert and tls_key", key)
		}
	}
	if path := named["tls_ca"]; path != "" {
		pem, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("tls_ca: %w", err)
		}
		c.authorities = x509.NewCertPool()
		if !c.authorities.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("tls_ca: there is no certificate in %s", path)
		}
	}
	if named["tls_cert"] != "" || named["tls_key"] != "" {
		own, err := tls.LoadX509KeyPair(named["tls_cert"], named["tls_key"])
		if err != nil {
			return c, fmt.Errorf("tls_cert and tls_key: %w", err)
		}
		c.own = []tls.Certificate{own}
	}
	return c, nil
}
