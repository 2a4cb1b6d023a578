package web

// NormalHost is how a host is read from a request.
var NormalHost = normalHost
