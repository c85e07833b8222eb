package soql

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTree(t *testing.T) {
	q, err := Parse(`SELECT Id, Account.Name, toLabel(Status), (SELECT Quantity FROM OrderItems o ORDER BY Id LIMIT 2)
		FROM Order WHERE (Status = 'Approved' OR Name LIKE 'a\_%') AND NOT Id IN ('x', 'y')
		ORDER BY CreatedDate DESC NULLS LAST, Id LIMIT 10 OFFSET 5 FOR VIEW`)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(q.Select); got != 4 || q.Select[3].Subquery.From.Text != "OrderItems" || *q.Select[3].Subquery.Limit != 2 {
		t.Errorf("select list = %+v", q.Select)
	}
	if got, want := q.Select[1].Operand.Path, []string{"Account", "Name"}; !cmp.Equal(got, want) {
		t.Errorf("path = %v, want %v", got, want)
	}
	if q.Select[2].Operand.Func != "TOLABEL" || *q.Limit != 10 || *q.Offset != 5 {
		t.Errorf("query = %+v", q)
	}
	want := And{[]Condition{
		Or{[]Condition{
			Compare{Left: Operand{Path: []string{"Status"}}, Op: "=", Value: Literal{Kind: String, Text: "Approved"}},
			Compare{Left: Operand{Path: []string{"Name"}}, Op: "LIKE", Value: Literal{Kind: String, Text: `a\_%`}},
		}},
		Not{Membership{Left: Operand{Path: []string{"Id"}}, Op: "IN", Values: []Literal{{Kind: String, Text: "x"}, {Kind: String, Text: "y"}}}},
	}}
	ignorePositions := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Pos" }, cmp.Ignore())
	if diff := cmp.Diff(Condition(want), q.Where, ignorePositions); diff != "" {
		t.Errorf("condition (-want +got):\n%s", diff)
	}
	if order := q.OrderBy; len(order) != 2 || !order[0].Desc || !order[0].NullsLast || order[1].Desc {
		t.Errorf("order = %+v", order)
	}
}

func TestParseLiterals(t *testing.T) {
	tests := map[string]struct {
		text string
		want Literal
	}{
		"text":             {`'it\'s "x" \\ \n'`, Literal{Kind: String, Text: "it's \"x\" \\ \n"}},
		"empty text":       {`''`, Literal{Kind: String}},
		"integer":          {`42`, Literal{Kind: Number, Text: "42", Number: 42}},
		"negative decimal": {`-1.5`, Literal{Kind: Number, Text: "-1.5", Number: -1.5}},
		"exponent":         {`1E3`, Literal{Kind: Number, Text: "1E3", Number: 1000}},
		"truth":            {`true`, Literal{Kind: Boolean, Text: "TRUE"}},
		"null":             {`NULL`, Literal{Kind: Null, Text: "NULL"}},
		"date":             {`2026-11-23`, Literal{Kind: Date, Text: "2026-11-23"}},
		"utc":              {`2026-11-23T10:00:00Z`, Literal{Kind: DateTime, Text: "2026-11-23T10:00:00Z"}},
		"zone and millis":  {`2026-11-23T10:00:00.000+01:00`, Literal{Kind: DateTime, Text: "2026-11-23T09:00:00Z"}},
		"zone, no colon":   {`2026-11-23T10:00:00.000+0000`, Literal{Kind: DateTime, Text: "2026-11-23T10:00:00Z"}},
		"today":            {`today`, Literal{Kind: DateRange, Text: "TODAY"}},
		"days back":        {`LAST_N_DAYS:4`, Literal{Kind: DateRange, Text: "LAST_N_DAYS", N: 4}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			q, err := Parse("SELECT Id FROM X WHERE A = " + test.text)
			if err != nil {
				t.Fatal(err)
			}
			comparison, _ := q.Where.(Compare)
			got := comparison.Value
			got.Pos = 0
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("literal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	tests := map[string]string{
		"count":           "SELECT COUNT() FROM Order",
		"aliases":         "select count(Id) n, max(Amount) from Opportunity group by AccountId having count(Id) > 1 order by count(Id)",
		"object alias":    "SELECT o.Id FROM Order AS o WHERE o.Status != null",
		"fields":          "SELECT FIELDS(ALL) FROM Order LIMIT 200",
		"security":        "SELECT Id FROM Order WITH SECURITY_ENFORCED LIMIT 1",
		"scope":           "SELECT Id FROM Order USING SCOPE everything",
		"semi-join":       "SELECT Id FROM Account WHERE Id NOT IN (SELECT AccountId FROM Order WHERE Status = 'Draft')",
		"multi":           "SELECT Id FROM X WHERE M INCLUDES ('a;b', 'c')",
		"for update":      "SELECT Id FROM Order FOR UPDATE",
		"not with and":    "SELECT Id FROM X WHERE A = 1 AND (NOT B = 2)",
		"nested format":   "SELECT FORMAT(MIN(Amount)) m FROM Opportunity",
		"field is a word": "SELECT Type, Name, Group FROM Order",
		"unequal":         "SELECT Id FROM X WHERE A <> 1",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"nothing":               {"", "unexpected token: <EOF>"},
		"no list":               {"SELECT FROM Order", "unexpected token: 'FROM'"},
		"misspelt from":         {"SELECT Id FORM Order", "unexpected token: 'Order'"},
		"and with or":           {"SELECT Id FROM X WHERE A = 1 AND B = 2 OR C = 3", "unexpected token: 'OR'"},
		"open string":           {"SELECT Id FROM X WHERE A = 'abc", "unterminated string literal"},
		"unknown escape":        {`SELECT Id FROM X WHERE A = 'a\q'`, "Illegal string literal"},
		"bare word":             {"SELECT Id FROM X WHERE A = Approved", "unexpected token: 'Approved'"},
		"unclosed":              {"SELECT Id FROM X WHERE (A = 1", "expecting ')', found <EOF>"},
		"double quotes":         {`SELECT Id FROM X WHERE A = "b"`, "unexpected token: '\"'"},
		"trailing":              {"SELECT Id FROM X LIMIT 1 nonsense", "unexpected token: 'nonsense'"},
		"star":                  {"SELECT * FROM X", "unexpected token: '*'"},
		"empty list":            {"SELECT Id FROM X WHERE A IN ()", "unexpected token: ')'"},
		"negative limit":        {"SELECT Id FROM X LIMIT -1", "unexpected token: '-1'"},
		"statement break":       {"SELECT Id FROM X; DROP", "unexpected token: ';'"},
		"date-time without end": {"SELECT Id FROM X WHERE A > 2026-11-23T10:00:00", "no viable alternative"},
		"deep":                  {"SELECT Id FROM X WHERE " + strings.Repeat("(", 1000) + "A = 1" + strings.Repeat(")", 1000), "nested too deeply"},
		"too many days":         {"SELECT Id FROM X WHERE A = LAST_N_DAYS:99999999", "the number of LAST_N_DAYS"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(test.text)
			refused, ok := errors.AsType[*Error](err)
			if !ok || refused.Code != "MALFORMED_QUERY" || !strings.Contains(refused.Message, test.want) {
				t.Errorf("error = %v, want MALFORMED_QUERY with %q", err, test.want)
			}
		})
	}
}

func TestErrorPointsAtThePlace(t *testing.T) {
	_, err := Parse("SELECT Id\nFROM X WHERE")
	const want = "MALFORMED_QUERY: \nSELECT Id FROM X WHERE\n                      ^\nERROR at Row:2:Column:13\nunexpected token: <EOF>"
	if err == nil || err.Error() != want {
		t.Errorf("error = %q, want %q", err, want)
	}
}

func TestLongQueryIsRefused(t *testing.T) {
	if _, err := Parse(strings.Repeat(" ", MaxLength+1)); err == nil {
		t.Error("a query beyond the maximum length was accepted")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"SELECT Id FROM Order", `SELECT Id, (SELECT Id FROM OrderItems) FROM Order WHERE A LIKE '\%' AND B IN (1, 2.5) ORDER BY C DESC NULLS LAST LIMIT 1`,
		"SELECT COUNT(Id) c FROM X GROUP BY A HAVING COUNT(Id) > 1", "SELECT Id FROM X WHERE D = LAST_N_DAYS:3 OR D > 2026-01-01T00:00:00+01:00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err == nil && (len(q.Select) == 0 || q.From.Text == "") {
			t.Errorf("%q was accepted without a list or an object", text)
		}
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%q: error of type %T", text, err)
			}
		}
	})
}
