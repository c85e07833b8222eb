package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// compiler turns a document into a Mapping and gathers what is wrong with it.
type compiler struct {
	doc      *file.Document
	fields   fields
	envs     celEnvs
	cycles   map[string]string
	problems Problems
	// broken are the places where the reader already found something: nothing more is said about them.
	broken []string
	// refs are the fields that any entry looks at.
	refs []fieldPath
}

func (c *compiler) problem(path, message, hint string) {
	c.problemAt(c.doc.At(path), path, message, hint)
}

func (c *compiler) problemAt(at file.Position, path, message, hint string) {
	if slices.Contains(c.broken, path) {
		return
	}
	c.problems = append(c.problems, Problem{Line: at.Line, Column: at.Column, Path: path, Kind: file.Meaning, Message: message, Hint: hint})
}

// compileValue compiles an entry. perLine says whether item and product are in scope.
func compileValue[T any](c *compiler, v file.Value, path string, t target, perLine bool, convert func(any) (T, error)) value[T] {
	out := value[T]{convert: convert}
	seen := map[string]string{}
	for i, s := range v.Sources {
		at := path
		if len(v.Sources) > 1 || c.doc.Has(fmt.Sprintf("%s[0]", path)) {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		if i > 0 && v.Sources[i-1].Constant != nil {
			c.problem(at, "this source is never reached: the constant before it always gives a value", "move the constant to the end")
			break
		}
		if i > 0 && v.Sources[i-1].Required {
			c.problem(at, "this source is never reached: the one before it is required", "put required on the last source")
			break
		}
		if key := sourceKey(s); key != "" {
			if first, ok := seen[key]; ok {
				c.problem(at, "this source repeats "+first, "delete one of them")
			}
			seen[key] = at
		}
		if src, ok := compileSource(c, s, at, t, perLine, convert); ok {
			out.sources = append(out.sources, src)
		}
	}
	return out
}

func sourceKey(s file.Source) string {
	if s.Table != nil || s.Constant != nil {
		return ""
	}
	return strings.Join([]string{s.Field, s.Pattern, s.Template, s.CEL}, "\x00")
}

func compileSource[T any](c *compiler, s file.Source, path string, t target, perLine bool, convert func(any) (T, error)) (source[T], bool) {
	src := source[T]{required: s.Required}
	switch {
	case s.Constant != nil:
		v, err := convert(s.Constant.Value)
		if err != nil {
			c.problem(path, err.Error(), t.hint)
			return src, false
		}
		src.constant = &v
	case s.CEL != "":
		src.expr = c.expression(path+".cel", s.CEL, t, perLine)
		return src, src.expr != nil && tryConstant(c, src.expr, path+".cel", t, convert)
	case s.Template != "":
		src.template = c.template(path+".template", s.Template, perLine)
		return src, src.template != nil
	case s.Field != "":
		return compileField(c, s, path, t, perLine, convert)
	default:
		return src, false // the reader has complained
	}
	return src, true
}

// tryConstant runs an expression that looks at no record: it would fail for every order as it fails now.
func tryConstant[T any](c *compiler, e *expression, path string, t target, convert func(any) (T, error)) bool {
	if len(e.roots) > 0 {
		return true
	}
	out, _, err := e.program.Eval(&scope{})
	if err != nil {
		c.problem(path, "the expression always fails: "+celMessage(err.Error()), "correct it")
		return false
	}
	v, single := goValue(out)
	if !single {
		c.problem(path, "the expression gives "+typeWords(out.Type().TypeName())+", and "+t.name+" is needed", t.celHint)
		return false
	}
	if !isEmpty(v) {
		if _, err := convert(v); err != nil {
			c.problem(path, err.Error(), t.celHint)
			return false
		}
	}
	return true
}

func compileField[T any](c *compiler, s file.Source, path string, t target, perLine bool, convert func(any) (T, error)) (source[T], bool) {
	src := source[T]{required: s.Required}
	ok := true
	if field, found := c.field(path+".field", s.Field, perLine); found {
		src.field = &field
	} else {
		ok = false
	}
	if s.Pattern != "" {
		if src.pattern = c.pattern(path+".pattern", s.Pattern); src.pattern == nil {
			ok = false
		}
	}
	if s.Table != nil {
		src.table = map[string]T{}
		for _, e := range s.Table.Entries {
			at, key := file.Join(path+".table", e.Key), strings.TrimSpace(e.Key)
			c.visible(at, key)
			v, err := convert(e.Value.Value)
			_, twice := src.table[key]
			switch {
			case err != nil:
				c.problem(at, err.Error(), t.hint)
			case key == "":
				c.problem(at, "an empty field gives nothing, whatever the table says", "delete this entry, and put another source behind this one")
			case twice:
				c.problem(at, quote(e.Key)+" is already in the table: blanks around it do not count", "keep one of them")
			default:
				src.table[key] = v
			}
		}
	}
	return src, ok
}

// field compiles a field and notes that it must be read from Salesforce.
func (c *compiler) field(path, s string, perLine bool) (fieldPath, bool) {
	f, err := parsePath(s, perLine)
	if err != nil {
		c.problem(path, err.message, err.hint)
		return fieldPath{}, false
	}
	return f, c.read(path, f)
}

// read notes that a field must be read from Salesforce, which follows only so many relationships to it. Those to the
// account and to the product count.
func (c *compiler) read(path string, f fieldPath) bool {
	if !c.exists(path, f) || !c.follows(path, f) {
		return false
	}
	way := len(f.names) - 1
	switch f.root {
	case rootAccount:
		way += len(c.fields.accountPath)
	case rootProduct:
		way += len(c.fields.productPath)
	}
	if way > maxDepth {
		c.problem(path, fmt.Sprintf("%s is %d relationships away, and Salesforce follows %d", f, way, maxDepth),
			"bring it nearer with a formula field in Salesforce")
		return false
	}
	c.refs = append(c.refs, f)
	return true
}

// follows refuses a way through what is certainly a field, and an end at what is certainly a record.
func (c *compiler) follows(path string, f fieldPath) bool {
	last := len(f.names) - 1
	for i, name := range f.names {
		switch {
		case i < last && isCustom(name):
			c.problem(path, name+" is a field, and has no fields of its own", "write "+name[:len(name)-1]+"r to go on to the record that it names")
		case i < last && isStandardID(name):
			c.problem(path, name+" is a field, and has no fields of its own", "write "+name[:len(name)-len("Id")]+" to go on to the record that it names")
		case i == last && isCustomRelationship(name):
			c.problem(path, name+" is a record and not a field", "name a field of it, such as "+name+".Name, or its id with "+name[:len(name)-1]+"c")
		case i == last && isRelationship(name):
			c.problem(path, name+" is a record and not a field", "name a field of it, such as "+name+".Name, or its id with "+name+"Id")
		default:
			continue
		}
		return false
	}
	return true
}

// visible refuses characters that nobody sees: what is copied from a web page has them at times, and matches nothing.
// The two joiners are letters in some languages.
func (c *compiler) visible(path, s string) {
	hidden := func(r rune) bool {
		return unicode.In(r, unicode.Cf, unicode.Cc) && r != '\u200c' && r != '\u200d' || r == '\u00a0'
	}
	if i := strings.IndexFunc(s, hidden); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		c.problem(path, fmt.Sprintf("%s has the invisible character %U", quote(s), r), "type the text anew")
	}
}

func (c *compiler) pattern(path, s string) *regexp.Regexp {
	re, err := regexp.Compile(s)
	if err != nil {
		_, why, _ := strings.Cut(err.Error(), "error parsing regexp: ")
		c.problem(path, "this is not a regular expression: "+why, "use RE2 syntax; write it in single quotes, so that backslashes stay")
		return nil
	}
	if re.NumSubexp() != 1 {
		c.problem(path, fmt.Sprintf("the pattern has %d groups", re.NumSubexp()), `put parentheses around the one part to take, as in ^#(\d+); write other groups as (?:…)`)
		return nil
	}
	return re
}

// template compiles text with fields in braces.
func (c *compiler) template(path, s string, perLine bool) []segment {
	var segments []segment
	rest, ok := s, true
	for _, m := range templateField.FindAllStringSubmatchIndex(s, -1) {
		before := s[len(s)-len(rest) : m[0]]
		ok = ok && c.plainText(path, before)
		if before != "" {
			segments = append(segments, segment{text: before})
		}
		if f, found := c.field(path, s[m[2]:m[3]], perLine); found {
			segments = append(segments, segment{field: &f})
		} else {
			ok = false
		}
		rest = s[m[1]:]
	}
	ok = ok && c.plainText(path, rest)
	if rest != "" {
		segments = append(segments, segment{text: rest})
	}
	if !ok {
		return nil
	}
	return segments
}

func (c *compiler) plainText(path, s string) bool {
	if strings.ContainsAny(s, "{}") {
		c.problem(path, "a brace in the template has no partner", "write fields as {order.OrderNumber}")
		return false
	}
	return true
}

// expression compiles CEL and notes the fields that it reads.
func (c *compiler) expression(path, src string, t target, perLine bool) *expression {
	env := c.envs.order
	if perLine {
		env = c.envs.line
	}
	e, complaints := compileCEL(env, src, t, c.fields.objects.Lines)
	for _, p := range complaints {
		c.problemAt(c.doc.Within(path, p.line, p.column), path, p.message, p.hint)
	}
	if e == nil {
		return nil
	}
	at := c.doc.At(path)
	e.where = fmt.Sprintf("%d:%d (%s)", at.Line, at.Column, path)
	for _, f := range e.refs {
		if !c.read(path, f) {
			return nil
		}
	}
	return e
}
