// Package controllers holds the reconcilers of Orderbridge: the one that takes an order through its steps, with one file
// for each step and one for each rule about calls that must happen once, and the one that keeps a pipeline's clients,
// mapping and streams up to date.
package controllers
