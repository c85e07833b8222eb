package main

import (
	"errors"
	"flag"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		arguments []string
		want      string
	}{
		"a value after a switch":   {[]string{"--leader-elect", "false", "--namespace", "here"}, `unexpected argument "false"`},
		"no workers":               {[]string{"--max-concurrent-orders=0"}, "--max-concurrent-orders is 0"},
		"a lease between seconds":  {[]string{"--leader-election-lease-duration=1900ms"}, "whole seconds"},
		"a lease of no time":       {[]string{"--leader-election-lease-duration=500ms"}, "at least 1s"},
		"a flag that there is not": {[]string{"--leader-election"}, "not defined"},
		"no number":                {[]string{"--max-concurrent-orders=many"}, "invalid value"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := parse(tc.arguments); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("parse = %v, want %q", err, tc.want)
			}
		})
	}
	if _, _, err := parse([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
	o, _, err := parse([]string{"--leader-elect", "--namespace=here", "--leader-election-lease-duration=1s"})
	if err != nil || !o.leaderElect || o.namespace != "here" || o.leaseDuration != time.Second || o.concurrency != 512 {
		t.Errorf("parse = %+v, %v", o, err)
	}
}
