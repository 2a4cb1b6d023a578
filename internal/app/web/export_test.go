package web

// NormalHost is how a host is read from a request.
var NormalHost = normalHost

// SameToken compares what a form has sent with a session's token.
var SameToken = sameToken
