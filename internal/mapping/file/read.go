package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest file that is read: what a ConfigMap can hold.
const MaxSize = 1 << 20

// Position is a place in the file. Both count from 1.
type Position struct {
	Line, Column int
}

// Document is a mapping file with the positions of its entries.
type Document struct {
	Mapping
	lines     []string
	positions map[string]Position
	nodes     map[string]*yaml.Node
}

// Read parses a mapping file. It reports every entry that the format does not have; the document is usable, without
// those entries, unless it is nil.
func Read(data []byte) (*Document, Problems) {
	if len(data) > MaxSize {
		return nil, Problems{{Line: 1, Column: 1, Kind: Syntax,
			Message: fmt.Sprintf("the file has %d bytes, more than the %d that a ConfigMap holds", len(data), MaxSize),
			Hint:    "move large tables into Salesforce fields"}}
	}
	root, problem := parse(data)
	if problem != nil {
		return nil, Problems{*problem}
	}
	doc := &Document{
		lines:     Lines(data),
		positions: map[string]Position{"": {1, 1}},
		nodes:     map[string]*yaml.Node{},
	}
	d := &decoder{doc: doc}
	d.refuseAliases(root)
	if len(d.problems) == 0 {
		d.decodeInto(root, &doc.Mapping)
	}
	d.problems.Sort()
	return doc, d.problems
}

// At returns the position of the entry at the path, or of the nearest entry around it.
func (doc *Document) At(path string) Position {
	for {
		if p, ok := doc.positions[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return doc.positions[""]
		}
		path = path[:cut]
	}
}

// Within returns the position of a character inside the text at the path. Line counts from 1, column from 0, as CEL
// counts them. In texts that YAML folds or unescapes it is the position of the text.
func (doc *Document) Within(path string, line, column int) Position {
	n := doc.nodes[path]
	if n == nil || n.Kind != yaml.ScalarNode {
		return doc.At(path)
	}
	start := Position{n.Line, n.Column}
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.LiteralStyle:
		for at := n.Line; at < len(doc.lines); at++ { // doc.lines[n.Line] is the line after the indicator
			text := doc.lines[at]
			if trimmed := strings.TrimLeft(text, " "); strings.TrimSpace(trimmed) != "" {
				return Position{n.Line + line, len(text) - len(trimmed) + column + 1}
			}
		}
		return start
	case 0:
		if line == 1 && doc.holds(n) {
			return Position{n.Line, n.Column + column}
		}
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		if line == 1 && doc.holds(n) {
			return Position{n.Line, n.Column + column + 1}
		}
	}
	return start
}

// holds reports whether the text of the node stands in the file letter by letter on one line.
func (doc *Document) holds(n *yaml.Node) bool {
	return n.Line <= len(doc.lines) && strings.Contains(doc.lines[n.Line-1], n.Value)
}

var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// Lines splits a file where YAML counts a new line, so that its line numbers fit.
func Lines(data []byte) []string {
	return lineBreak.Split(string(data), -1)
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(.*)$`)

func parse(data []byte) (*yaml.Node, *Problem) {
	if !utf8.Valid(data) {
		return nil, &Problem{Line: 1, Column: 1, Kind: Syntax, Message: "the file is not UTF-8 text", Hint: "save it as UTF-8"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	switch err := dec.Decode(&root); {
	case errors.Is(err, io.EOF):
		return nil, &Problem{Line: 1, Column: 1, Kind: Syntax, Message: "the file is empty", Hint: "start with version: 1"}
	case err != nil:
		return nil, syntaxProblem(err, data)
	}
	var second yaml.Node
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntaxProblem(err, data)
	default:
		return nil, &Problem{Line: second.Line, Column: 1, Kind: Syntax,
			Message: "a second YAML document begins here", Hint: "keep one mapping to a file"}
	}
	if len(root.Content) != 1 {
		return nil, &Problem{Line: 1, Column: 1, Kind: Syntax, Message: "the file is empty", Hint: "start with version: 1"}
	}
	return root.Content[0], nil
}

func syntaxProblem(err error, data []byte) *Problem {
	m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " "))
	p := &Problem{Line: 1, Column: 1, Kind: Syntax, Message: "this is not YAML: " + m[2],
		Hint: "check indentation, colons and quotes on this line and the one above"}
	if strings.Contains(p.Message, "unknown escape character") {
		p.Hint = "put patterns in single quotes, so that backslashes stay as they are"
	}
	if n, convErr := strconv.Atoi(m[1]); convErr == nil && n > 0 {
		p.Line = n
	}
	lines := Lines(data)
	p.Line = locate(p, lines)
	if p.Line <= len(lines) {
		text := lines[p.Line-1]
		p.Column += len(text) - len(strings.TrimLeft(text, " "))
	}
	return p
}

var unknownAnchor = regexp.MustCompile(`unknown anchor '([^']+)'`)

// locate finds the line that a message of the YAML library is about, where the library names none or the one before,
// and says plainly what can be said plainly.
func locate(p *Problem, lines []string) int {
	if m := unknownAnchor.FindStringSubmatch(p.Message); m != nil {
		p.Message, p.Hint = "aliases are not allowed", "write the entry out"
		return firstLine(p.Line, lines, func(line string) bool { return strings.Contains(line, "*"+m[1]) })
	}
	line := p.Line
	if strings.Contains(p.Message, "did not find expected") {
		line++ // the library counts these from 0
	}
	tab := firstLine(line, lines, func(line string) bool {
		return strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t")
	})
	if tab <= line+1 && tab <= len(lines) && strings.Contains(lines[tab-1], "\t") {
		p.Message, p.Hint = "a tab stands in the indentation", "indent with spaces"
		return tab
	}
	return min(line, len(lines))
}

// firstLine returns the number of the first line from start on that fits, else start.
func firstLine(start int, lines []string, fits func(string) bool) int {
	for i := start - 1; i < len(lines); i++ {
		if fits(lines[i]) {
			return i + 1
		}
	}
	return start
}

// refuseAliases keeps anchors, aliases, merge keys and custom tags out: with them a reader could no longer see at one
// place what holds, and a small file could grow without bound.
func (d *decoder) refuseAliases(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.add(n, "", Syntax, "aliases are not allowed", "write the entry out")
	case n.Anchor != "":
		d.add(n, "", Syntax, "anchors are not allowed", "write the entry out where it is needed")
	case n.Tag == "!!merge":
		d.add(n, "", Syntax, "merge keys are not allowed", "write the entries out")
	case n.Style&yaml.TaggedStyle != 0:
		d.add(n, "", Syntax, fmt.Sprintf("the tag %s is not allowed", n.Tag), "remove the tag")
	}
	for _, c := range n.Content {
		d.refuseAliases(c)
	}
}

// Has reports whether the file has an entry at exactly this path.
func (doc *Document) Has(path string) bool {
	_, ok := doc.positions[path]
	return ok
}
