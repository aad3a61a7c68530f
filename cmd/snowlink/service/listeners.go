package service

import (
	"net"

	"snowlink/cmd/snowlink/config"
)

// listeners are opened before anything else is done, so that a port in use costs nothing.
type listeners struct{ public, admin, api net.Listener }

func (l listeners) Close() {
	for _, ln := range []net.Listener{l.public, l.admin, l.api} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

func openListeners(cfg config.Config) (l listeners, err error) {
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if cfg.Plays(config.Edge) {
		if l.public, err = listen("listen", cfg.Listen); err != nil {
			return l, err
		}
	}
	if l.admin, err = listen("admin-listen", cfg.AdminListen); err != nil {
		return l, err
	}
	if cfg.Plays(config.API) && cfg.APIListen != "" {
		l.api, err = listen("api-listen", cfg.APIListen)
	}
	return l, err
}
