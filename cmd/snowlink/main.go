// Command snowlink is the whole product: the service, and the command line that talks to it.
package main

import (
	"context"
	"os"

	"snowlink/cmd/snowlink/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
