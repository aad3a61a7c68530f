package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	goqr "github.com/piglig/go-qr"

	"snowlink/shortener"
)

func (a *API) routeQR() {
	for _, format := range []struct{ name, mediaType string }{{"svg", "image/svg+xml"}, {"png", "image/png"}} {
		op := operation(http.MethodGet, "/links/{code}/qr."+format.name, "get-link-qr-"+format.name, tagLinks, shortener.RoleReader,
			"Draw the QR code of a link ("+format.name+")")
		op.Description = "It leads to the short URL with ?qr=1, by which its clicks are told from others (source=qr)."
		op.Responses = map[string]*huma.Response{"200": {
			Description: "The image",
			Content:     map[string]*huma.MediaType{format.mediaType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}},
		}}
		huma.Register(a.huma, op, func(ctx context.Context, req *struct {
			LinkPath
			Size int `query:"size" minimum:"64" maximum:"4096" default:"512" doc:"The least width in pixels."`
		},
		) (*imageOutput, error) {
			link, err := a.find(ctx, req.LinkPath)
			if err != nil {
				return nil, err
			}
			image, err := drawQR(a.shortURL(link.Ref)+"?qr=1", format.name, req.Size)
			return &imageOutput{ContentType: format.mediaType, Body: image}, err
		})
	}
}

type imageOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// quietZone is how many modules of nothing readers need around a code.
const quietZone = 4

// drawQR returns the QR code of text, each module a whole number of pixels wide. The middle of four
// levels of correction survives a scratch and keeps the code small.
func drawQR(text, format string, size int) ([]byte, error) {
	code, err := goqr.EncodeText(text, goqr.Medium)
	if err != nil {
		return nil, fmt.Errorf("encode QR code: %w", err)
	}
	modules := code.Size() + 2*quietZone
	config := goqr.NewQrCodeImgConfig((size+modules-1)/modules, quietZone, goqr.WithOptimalSVG())
	var b bytes.Buffer
	if format == "png" {
		err = code.WriteAsPNG(config, &b)
	} else {
		err = code.WriteAsSVG(config, &b)
	}
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return b.Bytes(), nil
}
