// Package stories tells how orders fare, pass by pass, as text that a person on duty can read, and fails when a story
// goes another way than the files in testdata say. `go test ./test/stories -update` writes them anew.
package stories
