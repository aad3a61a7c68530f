// Package shortener is the domain of snowlink: links, their codes and targets, the events of a
// link's life, the decision a redirect makes, and clicks.
//
// It knows neither HTTP nor a database. Rooms that need storage state so by small interfaces here;
// package storage fills them. Everything in this package is either immutable, a value, or says how
// it may be shared.
package shortener
