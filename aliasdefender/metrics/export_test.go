package metrics

// Whole is for the tests that run programs.
var Whole = whole
