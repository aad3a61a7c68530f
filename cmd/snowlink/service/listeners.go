package service

import (
	"fmt"
	"net"
	"strings"

	"snowlink/cmd/snowlink/config"
	"snowlink/infra/activation"
)

// listeners are opened before anything else is done, so that a port in use costs nothing. Those that the process
// was handed by its parent are taken as they are, whatever the settings say of their addresses.
type listeners struct {
	public, admin, api net.Listener

	handed bool // the public one outlives this process: who connects while none serves waits
}

func (l listeners) Close() {
	for _, ln := range []net.Listener{l.public, l.admin, l.api} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

func openListeners(cfg config.Config) (l listeners, err error) {
	given, err := activation.Listeners("public", "public", "api", "admin")
	if err != nil {
		return l, fmt.Errorf("take listeners over: %w", err)
	}
	l = listeners{public: given["public"], api: given["api"], admin: given["admin"]}
	l.handed = l.public != nil
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if l.public != nil && !cfg.Plays(config.Edge) || l.api != nil && !cfg.Plays(config.API) {
		return l, fmt.Errorf("a listener was handed over that --role %s has no use for", strings.Join(cfg.Roles, ","))
	}
	if l.public == nil && cfg.Plays(config.Edge) {
		if l.public, err = listen("listen", cfg.Listen); err != nil {
			return l, err
		}
	}
	if l.admin == nil {
		if l.admin, err = listen("admin-listen", cfg.AdminListen); err != nil {
			return l, err
		}
	}
	if l.api == nil && cfg.Plays(config.API) && cfg.APIListen != "" {
		l.api, err = listen("api-listen", cfg.APIListen)
	}
	return l, err
}
