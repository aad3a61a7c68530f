package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// assets are the files that pages load. The name of each holds a hash of what is in it, so browsers may keep
// it for ever.
type assets struct {
	byPath map[string]asset // by the path in an address
	names  map[string]string
}

type asset struct {
	contentType   string
	plain, packed []byte // packed is nil where it would not be smaller
}

const staticPrefix = "/app/static/"

func newAssets(files fs.FS) (*assets, error) {
	a := &assets{byPath: map[string]asset{}, names: map[string]string{}}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return a.add(name, body)
	})
	if err != nil {
		return nil, fmt.Errorf("read assets: %w", err)
	}
	return a, nil
}

func (a *assets) add(name string, body []byte) error {
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	address := staticPrefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	one := asset{contentType: mime.TypeByExtension(ext), plain: body}
	if one.contentType == "" {
		one.contentType = "text/plain; charset=utf-8"
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if packed.Len() < len(body) {
		one.packed = packed.Bytes()
	}
	a.byPath[address], a.names[name] = one, address
	return nil
}

// address returns the path of a file by its name. An unknown name is a fault of a template.
func (a *assets) address(name string) (string, error) {
	if address, ok := a.names[name]; ok {
		return address, nil
	}
	return "", fmt.Errorf("there is no asset %q", name)
}

// ServeHTTP answers with a file.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one, ok := a.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if one.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(one.packed)
		return
	}
	_, _ = w.Write(one.plain)
}
