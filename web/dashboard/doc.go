// Package dashboard is what people see of the service in a browser: pages made on the server, which work
// without JavaScript and better with it.
//
// The dashboard is the first client of the REST interface: each page is made of its answers, under the key that
// the visitor has logged in with. So it shows nothing that the interface does not, to nobody whom the
// interface does not, within the same limits; and a number on a page is the number of the interface.
//
// The address of a page is its state. A session is a cookie that holds the key, sealed; it ends with the key.
package dashboard
