package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"snowlink/benchmarks/rig"
)

//go:embed nginx.conf.tmpl
var nginxConf string

// startNginx serves the links from a map. The buffer is what its log line says of buffering, "" for
// none, as nginx is shipped.
func startNginx(ctx context.Context, dir string, core int, links []rig.Link, buffer string) (*rig.Process, string, error) {
	address, err := rig.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	if err := os.Chmod(dir, 0o777); err != nil { // nginx works as another user when root starts it
		return nil, "", err
	}
	var entries strings.Builder
	for _, l := range links {
		fmt.Fprintf(&entries, "\"/%s\" \"%s\";\n", l.Code, l.URL)
	}
	if err := os.WriteFile(filepath.Join(dir, "links.map"), []byte(entries.String()), 0o644); err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "nginx.conf")
	conf, err := os.Create(path)
	if err != nil {
		return nil, "", err
	}
	defer conf.Close()
	values := map[string]string{"Dir": dir, "Address": address, "Buffer": buffer}
	if err := template.Must(template.New("nginx").Parse(nginxConf)).Execute(conf, values); err != nil {
		return nil, "", err
	}
	p, err := rig.Start(dir, core, "nginx", "-c", path, "-e", filepath.Join(dir, "error.log"))
	if err != nil {
		return nil, "", err
	}
	if err := p.Await(ctx, "http://"+address+"/"+links[0].Code, http.StatusFound); err != nil {
		p.Stop()
		return nil, "", err
	}
	return p, address, nil
}
