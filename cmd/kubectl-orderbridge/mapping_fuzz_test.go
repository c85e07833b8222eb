package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// FuzzMappingFile reads files of any kind and checks that what is said about them stands in them.
func FuzzMappingFile(f *testing.F) {
	for _, text := range []string{
		smallMapping, mistaken, inConfigMap("m", mistaken), inConfigMap("m", smallMapping) + "---\n" + inConfigMap("n", mistaken),
		`{"apiVersion": "v1", "kind": "ConfigMap", "data": {"mapping.yaml": "version: 2"}}`,
		"apiVersion: v1\nkind: List\nitems:\n- null\n- {kind: ConfigMap, data: {mapping.yaml: 5}}\n- a\n",
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  mapping.yaml: >-\n    version: 1\n    client: x\n",
		"\rxwƣ",
		"apiVersion: v1\nkind: ConfigMap\ndata: &a\n  mapping.yaml: |2+\n\n      version: 1\n    x\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		env := newEnvironment(streams{In: bytes.NewReader(data)})
		source, err := env.readMapping("-", "")
		if err != nil {
			return
		}
		_, problems := source.parse()
		lines := len(file.Lines(data))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%d:%d in a file of %d lines: %s", p.Line, p.Column, lines, p.Message)
			}
		}
	})
}

// FuzzCases reads files of cases, and updates those that can be read.
func FuzzCases(f *testing.F) {
	f.Add([]byte(casesText))
	f.Add([]byte(casesWith("clientid=12\n", "expect: a=b\n", "miss: GateClosed\n")))
	f.Add([]byte("version: 1\ncases:\n- name: a\n  order: {Id: 8014x000000ABCDAA4}\n  miss: X\n\n\n# end"))
	f.Add([]byte("version: 1\nCases:\n- name: a\n  Order: {Id: 8014x000000ABCDAA4}\n  Expect: a=b\n"))
	f.Add([]byte("version: 1\n<<: {cases: [{name: a, order: {Id: 8014x000000ABCDAA4}}]}\n"))
	f.Add([]byte("version: 1\ncases:\n- &x\n  name: a\n  order: {Id: 8014x000000ABCDAA4}\n- *x\n"))
	f.Add([]byte("pipeline: {paymentMethod: &cases version}\n*cases : 1\nCases:\n- {name: a}\n"))
	source := mappingFile{text: []byte(portalMapping)}
	m, _ := source.parse()
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "orderFile") {
			return
		}
		cases, err := parseCases("cases.test.yaml", data)
		if err != nil {
			return
		}
		list, err := cases.run(m)
		if err != nil {
			return
		}
		text, err := cases.updated(m, list)
		if err != nil || text == "" {
			return
		}
		again, err := parseCases("cases.test.yaml", []byte(text))
		if err != nil || len(again.Cases) != len(cases.Cases) {
			t.Fatalf("%d cases became %v, %v", len(cases.Cases), again, err)
		}
	})
}
