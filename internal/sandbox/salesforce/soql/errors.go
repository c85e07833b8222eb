package soql

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is a refusal of a query: the code and message that the REST API
// answers with.
type Error struct {
	Code    string
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an error that points at the byte offset pos of the query text,
// in the form the service uses: the text around, a caret, row and column.
func Errorf(code, text string, pos int, format string, args ...any) *Error {
	return &Error{Code: code, Message: context(text, pos) + fmt.Sprintf(format, args...)}
}

func malformed(text string, pos int, message string) *Error {
	return Errorf("MALFORMED_QUERY", text, pos, "%s", message)
}

const contextWidth = 40

func context(text string, pos int) string {
	pos = min(max(pos, 0), len(text))
	row, column := rowColumn(text, pos)
	from, to := max(0, pos-contextWidth), min(len(text), pos+contextWidth)
	around := strings.ToValidUTF8(strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(text[from:to]), "?")
	return fmt.Sprintf("\n%s\n%s^\nERROR at Row:%d:Column:%d\n", around, strings.Repeat(" ", pos-from), row, column)
}

func rowColumn(text string, pos int) (row, column int) {
	before := text[:pos]
	return strings.Count(before, "\n") + 1, pos - strings.LastIndexByte(before, '\n')
}

func position(text string, pos int) string {
	row, column := rowColumn(text, pos)
	return strconv.Itoa(row) + ":" + strconv.Itoa(column)
}
