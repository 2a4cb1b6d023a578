package tenancy

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// What a transaction may leave behind on its connection, where the next tenant of
// the cell would find it. Prepared statements, cursors, subscriptions and settings
// outlive a rollback or a commit: a session on which somebody has touched any of
// them is not lent again. No feature does; injected SQL might.

// harmless are the words that begin the statements of features. They prepare,
// subscribe to and set nothing, unless by a function: see reported.
var harmless = map[string]bool{"select": true, "with": true, "insert": true, "update": true, "delete": true, "merge": true, "values": true}

// isPlain reports whether a statement begins as those of features do. What begins
// otherwise, be it by a comment, is not.
func isPlain(sql string) bool {
	sql = strings.TrimLeft(sql, " \t\r\n")
	end := strings.IndexFunc(sql, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(sql)
	}
	return end <= len("select") && harmless[strings.ToLower(sql[:end])]
}

// reported are settings that the server tells of whenever they change, so that
// looking at them costs no round trip: those by which a text is read or written in
// another way, and the one that makes a session read-only.
var reported = []string{"client_encoding", "DateStyle", "default_transaction_read_only", "IntervalStyle", "session_authorization",
	"standard_conforming_strings", "TimeZone"}

func settingsOf(conn *pgx.Conn) (out [7]string) {
	for i, name := range reported {
		out[i] = conn.PgConn().ParameterStatus(name)
	}
	return out
}

// strange reports whether something may have been left behind on the session.
func (s *session) strange() bool { return s.touched || settingsOf(s.conn) != s.settings }
