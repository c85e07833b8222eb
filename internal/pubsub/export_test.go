package pubsub

// Verdicts is the table by error code, for a test that knows every row.
var Verdicts = verdicts
