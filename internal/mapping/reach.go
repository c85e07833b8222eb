package mapping

import (
	"fmt"
	"slices"
)

// reach knows the SKUs that rules without condition have taken so far.
type reach struct {
	exact    map[string]string // source of the pattern to path of the rule
	covering []*rule           // rules with real patterns
}

// reachable reports rules that an earlier rule always wins against, and a file that can find no product at all.
func (c *compiler) reachable(m *Mapping) {
	taken := reach{exact: map[string]string{}}
	findsPID := m.line.pid.set()
	for i := range m.rules.rules {
		r := &m.rules.rules[i]
		findsPID = findsPID || r.pid.set()
		c.reachableRule(r, &taken)
		if r.when == nil {
			taken.add(r)
		}
	}
	if !findsPID && !c.doc.Has("line.pid") {
		c.problem("line.pid", "no entry of the file finds a WHMCS product", "add line.pid, or a rule with pid")
	}
}

func (t *reach) add(r *rule) {
	for _, g := range r.skus {
		if _, ok := t.exact[g.source]; !ok {
			t.exact[g.source] = r.path
		}
	}
	if slices.ContainsFunc(r.skus, func(g *glob) bool { return !g.isExact }) {
		t.covering = append(t.covering, r)
	}
}

// winner returns the path of the earlier rule that takes everything the pattern stands for.
func (t *reach) winner(g *glob) (path string, repeats bool) {
	if path, ok := t.exact[g.source]; ok {
		return path, true
	}
	for _, r := range t.covering {
		if slices.ContainsFunc(r.skus, func(p *glob) bool { return p.covers(g) }) {
			return r.path, false
		}
	}
	return "", false
}

func (c *compiler) reachableRule(r *rule, taken *reach) {
	if len(r.skus) == 0 {
		if path, _ := taken.winner(&glob{source: "*", tokens: []globToken{{kind: globRun}}}); path != "" {
			c.problem(r.path, "this rule is never reached: "+path+" matches every SKU", "move it up, or narrow the other rule")
		}
		return
	}
	for i, g := range r.skus {
		path, repeats := taken.winner(g)
		if path == "" {
			continue
		}
		at := r.path + ".sku"
		if len(r.skus) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		if repeats {
			c.problem(at, fmt.Sprintf("%s is already in %s, which comes first", quote(g.source), path), "delete one of them, or give the first a condition")
			continue
		}
		c.problem(at, fmt.Sprintf("%s is never reached here: %s matches it first", quote(g.source), path), "move this rule up, or narrow the other one")
	}
}
