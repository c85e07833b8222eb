package php

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/whmcs"
)

type pair [2]string

// formQuestion asks PHP to build a form of the same fields, and to read ours.
type formQuestion struct {
	Fields  []pair `json:"fields"`
	Encoded string `json:"encoded"`
}

type formAnswer struct {
	Built  string `json:"built"`
	Parsed []pair `json:"parsed"`
}

// serialQuestion asks PHP to serialise the same array, and to read ours.
type serialQuestion struct {
	Pairs   []pair `json:"pairs"`
	Numbers bool   `json:"numbers"`
	Encoded string `json:"encoded"`
}

type serialAnswer struct {
	Built string `json:"built"`
	Same  bool   `json:"same"`
}

type questions struct {
	Forms   []formQuestion   `json:"forms,omitempty"`
	Serials []serialQuestion `json:"serials,omitempty"`
}

type answers struct {
	Forms   []formAnswer   `json:"forms"`
	Serials []serialAnswer `json:"serials"`
}

// ask puts the questions to PHP.
func ask(t *testing.T, q questions) answers {
	t.Helper()
	binary, err := exec.LookPath("php")
	switch {
	case err != nil && os.Getenv("REQUIRE_PHP") == "1":
		t.Fatal("php is not on PATH, and REQUIRE_PHP=1 asks for it")
	case err != nil:
		t.Skip("Left out: php is not on PATH. Install PHP 8 (Debian: php-cli) to check the encodings against it.") //nolint:forbidigo // said aloud by make, and REQUIRE_PHP=1 forbids it
	}
	in, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, "-n", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "testdata/oracle.php")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("php: %v\n%s", err, stderr.String())
	}
	var a answers
	if err := json.Unmarshal(stdout.Bytes(), &a); err != nil {
		t.Fatalf("reading php's answer: %v\n%s", err, stderr.String())
	}
	return a
}

func encode64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func decode64(t *testing.T, s string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func asForm(fields []whmcs.Field) formQuestion {
	q := formQuestion{Encoded: whmcs.EncodeForm(fields)}
	for _, f := range fields {
		q.Fields = append(q.Fields, pair{encode64(f.Name), encode64(f.Value)})
	}
	return q
}

// order is an order with so many lines, each with fields and options.
func order(lines int) whmcs.AddOrderRequest {
	r := whmcs.AddOrderRequest{ClientID: 42, PaymentMethod: "mailin", Notes: "sfOrderId=8014x000000ABCDAA4", NoInvoice: true, NoEmail: true}
	for i := range lines {
		r.Lines = append(r.Lines, whmcs.OrderLine{
			PID: int64(100 + i), BillingCycle: "Semi-Annually", Quantity: int64(i%3 + 1), Domain: fmt.Sprintf("l%d.example.net", i+1),
			ConfigOptions: map[int64]int64{7: 999, 1: int64(i)},
			CustomFields:  map[int64]string{1: "O'Brien Zürich €", 10: strconv.Itoa(i)},
		})
	}
	return r
}

var forms = map[string][]whmcs.Field{
	"one line":               order(1).Form(),
	"thirteen lines":         order(13).Form(),
	"accept":                 whmcs.AcceptOrderRequest{OrderID: 1, AutoSetup: true, SendEmail: true}.Form(),
	"apostrophes and quotes": {{Name: "a", Value: `O'Brien "x" \ ` + "`"}},
	"unicode":                {{Name: "a", Value: "Zürich € 日本 𝄞 é"}},
	"separators":             {{Name: "a", Value: "x&y=z;a+b c%41#?/"}},
	"marks":                  {{Name: "a", Value: "~!*()-_.,:@$"}},
	"control":                {{Name: "a", Value: "line\r\nnext\ttab\x00nul\x7f"}},
	"not UTF-8":              {{Name: "a", Value: "\xff\xfe\xc3"}},
	"empty":                  {{Name: "a", Value: ""}, {Name: "b[0]", Value: ""}},
	"base64":                 {{Name: "customfields[0]", Value: "YTo+/x=="}},
	"nesting":                {{Name: "a[x][0][y]", Value: "1"}, {Name: "a[x][0][z]", Value: "2"}, {Name: "a[x][1][y]", Value: "3"}, {Name: "b", Value: "4"}},
	"numeric texts as keys":  {{Name: "a[10]", Value: "ten"}, {Name: "a[9]", Value: "nine"}, {Name: "a[-1]", Value: "minus"}, {Name: "a[007]", Value: "text"}},
}

func TestFormsAreWhatPHPBuildsAndReads(t *testing.T) {
	names := slices.Sorted(maps.Keys(forms))
	var q questions
	for _, name := range names {
		q.Forms = append(q.Forms, asForm(forms[name]))
	}
	for i, a := range ask(t, q).Forms {
		t.Run(names[i], func(t *testing.T) {
			if diff := cmp.Diff(a.Built, q.Forms[i].Encoded); diff != "" {
				t.Errorf("http_build_query (-php +ours):\n%s", diff)
			}
			var parsed []whmcs.Field
			for _, p := range a.Parsed {
				parsed = append(parsed, whmcs.Field{Name: decode64(t, p[0]), Value: decode64(t, p[1])})
			}
			if diff := cmp.Diff(forms[names[i]], parsed); diff != "" {
				t.Errorf("parse_str, in order (-ours +php):\n%s", diff)
			}
		})
	}
}

// PHP drops what lies beyond max_input_vars and goes on. With the action at the
// end, what is left of such a form cannot run.
func TestAFormThatPHPShortensNamesNoAction(t *testing.T) {
	fields := order(200).Form()
	if len(fields) <= 1000 {
		t.Fatalf("%d fields fit into PHP's limit", len(fields))
	}
	a := ask(t, questions{Forms: []formQuestion{asForm(fields)}}).Forms[0]
	if len(a.Parsed) == 0 || len(a.Parsed) > 1000 {
		t.Errorf("PHP read %d fields, want 1 to 1000", len(a.Parsed))
	}
	for _, p := range a.Parsed {
		if decode64(t, p[0]) == "action" {
			t.Error("the shortened form still names its action")
		}
	}
}

var texts = map[string]map[int64]string{
	"nothing":      {},
	"sample":       {1: "Google"},
	"apostrophe":   {1: "O'Brien"},
	"unicode":      {1: "O'Brien Zürich €", 2: "日本 𝄞"},
	"looks quoted": {1: `a"b`, 2: `";i:3;s:1:"`, 3: `\`, 4: "}"},
	"bytes":        {1: "\x00\xff\r\n"},
	"many, sorted": {100: "c", 20: "b", 3: "a", 0: "zero", -5: "minus"},
	"extremes":     {math.MaxInt64: "max", math.MinInt64: "min"},
	"long":         {1: strings.Repeat("é", 5000)},
	"numbers":      {1: "007", 2: "1e5", 3: " 1"},
}

var numbers = map[string]map[int64]int64{
	"nothing":  {},
	"sample":   {1: 999},
	"several":  {30: 1, 4: 2, 5: 0},
	"extremes": {1: math.MaxInt64, 2: math.MinInt64},
}

func asTexts(m map[int64]string) serialQuestion {
	q := serialQuestion{Pairs: []pair{}, Encoded: whmcs.SerializePHP(m)}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		q.Pairs = append(q.Pairs, pair{strconv.FormatInt(k, 10), encode64(m[k])})
	}
	return q
}

func asNumbers(m map[int64]int64) serialQuestion {
	q := serialQuestion{Pairs: []pair{}, Numbers: true, Encoded: whmcs.SerializePHP(m)}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		q.Pairs = append(q.Pairs, pair{strconv.FormatInt(k, 10), strconv.FormatInt(m[k], 10)})
	}
	return q
}

func TestArraysAreWhatPHPSerializesAndReads(t *testing.T) {
	var q questions
	var names []string
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		names, q.Serials = append(names, "texts/"+name), append(q.Serials, asTexts(texts[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		names, q.Serials = append(names, "numbers/"+name), append(q.Serials, asNumbers(numbers[name]))
	}
	for i, a := range ask(t, q).Serials {
		t.Run(names[i], func(t *testing.T) { checkSerial(t, q.Serials[i], a) })
	}
}

func checkSerial(t *testing.T, q serialQuestion, a serialAnswer) {
	t.Helper()
	if diff := cmp.Diff(decode64(t, a.Built), decode64(t, q.Encoded)); diff != "" {
		t.Errorf("serialize (-php +ours):\n%s", diff)
	}
	if !a.Same {
		t.Error("unserialize reads something else from ours")
	}
}

// A few hundred drawn cases, the same ones every time.
func TestDrawnCasesAgreeWithPHP(t *testing.T) {
	draw := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		alphabet := []rune("ab0 +%&=;'\"\\[]{}:~*/<>\n\x00üß€日𝄞")
		runes := make([]rune, draw.IntN(20))
		for i := range runes {
			runes[i] = alphabet[draw.IntN(len(alphabet))]
		}
		return string(runes)
	}
	var q questions
	for range 300 {
		m, n := map[int64]string{}, map[int64]int64{}
		for range draw.IntN(8) {
			m[draw.Int64N(2000)-1000], n[draw.Int64N(2000)-1000] = text(), draw.Int64()-draw.Int64()
		}
		var fields []whmcs.Field
		for i := range draw.IntN(15) {
			fields = append(fields, whmcs.Field{Name: fmt.Sprintf("notes[%d]", i), Value: text()})
		}
		q.Serials = append(q.Serials, asTexts(m), asNumbers(n))
		q.Forms = append(q.Forms, asForm(fields))
	}
	a := ask(t, q)
	for i := range q.Serials {
		checkSerial(t, q.Serials[i], a.Serials[i])
	}
	for i := range q.Forms {
		if q.Forms[i].Encoded != a.Forms[i].Built || !slices.Equal(q.Forms[i].Fields, a.Forms[i].Parsed) {
			t.Errorf("form %q: PHP builds %q and reads %v", q.Forms[i].Encoded, a.Forms[i].Built, a.Forms[i].Parsed)
		}
	}
}
