// Package crashmatrix stops the world at every write and every call of an order's life, in every way that is known, and
// then compares the books of both far sides: an order is made once, whatever happens, or it is stalled with evidence.
package crashmatrix
