package whmcs

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFlexInt(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want int64
		bad  bool
	}{
		"number":         {in: `7`, want: 7},
		"text":           {in: `"7"`, want: 7},
		"text and space": {in: `" 7 "`, want: 7},
		"beyond int32":   {in: `7858259149`, want: 7858259149},
		"largest":        {in: `"9223372036854775807"`, want: 9223372036854775807},
		"decimal":        {in: `"2.00"`, want: 2},
		"exponent":       {in: `1e3`, want: 1000},
		"null":           {in: `null`},
		"empty text":     {in: `""`},
		"false":          {in: `false`},
		"true":           {in: `true`, want: 1},
		"empty list":     {in: `[]`},
		"empty object":   {in: `{}`},
		"fraction":       {in: `1.5`, bad: true},
		"word":           {in: `"x"`, bad: true},
		"list":           {in: `[1]`, bad: true},
		"object":         {in: `{"a":1}`, bad: true},
		"too large":      {in: `9223372036854775808`, bad: true},
		"not exact":      {in: `1e17`, bad: true},
		"NaN":            {in: `"NaN"`, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got flexInt
			err := json.Unmarshal([]byte(tc.in), &got)
			if int64(got) != tc.want || (err != nil) != tc.bad {
				t.Errorf("got %d, error %v; want %d, error %t", got, err, tc.want, tc.bad)
			}
		})
	}
}

func TestFlexString(t *testing.T) {
	for name, tc := range map[string]struct {
		in, want string
		bad      bool
	}{
		"text":       {in: `" a\u0022\/ü "`, want: ` a"/ü `},
		"number":     {in: `7858259149`, want: "7858259149"},
		"decimal":    {in: `8.00`, want: "8.00"},
		"null":       {in: `null`},
		"false":      {in: `false`},
		"true":       {in: `true`, want: "1"},
		"empty list": {in: `[]`},
		"list":       {in: `["a"]`, bad: true},
		"object":     {in: `{"a":"b"}`, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			var got flexString
			err := json.Unmarshal([]byte(tc.in), &got)
			if string(got) != tc.want || (err != nil) != tc.bad {
				t.Errorf("got %q, error %v; want %q, error %t", got, err, tc.want, tc.bad)
			}
		})
	}
}

func TestDecodeList(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want []int64
		bad  bool
	}{
		"missing":             {in: ``},
		"null":                {in: `null`},
		"empty text":          {in: `""`},
		"false":               {in: `false`},
		"empty list":          {in: `[]`},
		"empty object":        {in: `{ }`},
		"wrapped":             {in: `{"order":[{"id":1},{"id":"2"}]}`, want: []int64{1, 2}},
		"wrapped, empty":      {in: `{"order":[]}`},
		"wrapped, empty text": {in: `{"order":""}`},
		"wrapped, null":       {in: `{"order":null}`},
		"wrapped, one":        {in: `{"order":{"id":1}}`, want: []int64{1}},
		"wrapped, with gaps":  {in: `{"order":{"10":{"id":3},"0":{"id":1},"2":{"id":2}}}`, want: []int64{1, 2, 3}},
		"plain":               {in: `[{"id":1}]`, want: []int64{1}},
		"plain, one":          {in: `{"id":1}`, want: []int64{1}},
		"plain, with gaps":    {in: `{"1":{"id":2},"0":{"id":1}}`, want: []int64{1, 2}},
		"holes":               {in: `[{"id":1},null,"",[]]`, want: []int64{1}},
		"a word":              {in: `"none"`, bad: true},
		"a number":            {in: `3`, bad: true},
		"true":                {in: `true`, bad: true},
		"a list of words":     {in: `["a"]`, bad: true},
		"a word wrapped":      {in: `{"order":"x"}`, bad: true},
		"not JSON":            {in: `[`, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := decodeList[struct {
				ID flexInt `json:"id"`
			}](json.RawMessage(tc.in), "order")
			var got []int64
			for _, r := range rows {
				got = append(got, int64(r.ID))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != tc.bad {
				t.Errorf("error %v, rows (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestBillingCycle(t *testing.T) {
	for in, want := range map[string]string{
		"onetime": "onetime", "One-Time": "onetime", "One Time": "onetime", "Free Account": "free", "free": "free",
		"Monthly": "monthly", "QUARTERLY": "quarterly", "Semi-Annually": "semiannually", "semiannually": "semiannually",
		"Annually": "annually", "Biennially": "biennially", " Triennially ": "triennially",
		"": "", "weekly": "", "month": "", "monthly2x": "",
	} {
		got, ok := BillingCycle(in)
		if got != want || ok != (want != "") {
			t.Errorf("BillingCycle(%q) = %q, %t; want %q", in, got, ok, want)
		}
	}
}
