package cli

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"digione/cmd/tenantctl/kit"
)

// TestUsage: wrong words end with 2 and say where to look; nothing is begun.
func TestUsage(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, c := range []struct{ line, words string }{
		{"bogus", `unknown command "bogus" for "digione"; see: digione --help`},
		{"dev --nosuchflag", "unknown flag: --nosuchflag; see: digione dev --help"},
		{"dev extra", `"extra" is too many; usage: digione dev`},
		{"dev --listen 127.0.0.1:0", "name a port, such as 127.0.0.1:8080"},
		{"serve --listen nowhere", `--listen "nowhere" is no address`},
		{"serve --log-level loud", `--log-level "loud": use debug, info, warn or error`},
		{"serve --smtp localhost:25", "--smtp without --mail-from"},
		{"", ""},
	} {
		var out, errOut bytes.Buffer
		cmd := New()
		cmd.SetOut(&out)
		args := append(strings.Fields(c.line), "--data", data)
		code := kit.Run(context.Background(), cmd, args, &errOut)
		if code != kit.ExitUsage || !strings.Contains(errOut.String(), c.words) || (c.line == "") != strings.Contains(out.String(), "Available Commands:") {
			t.Errorf("digione %s: exit %d\n%s\n%s", c.line, code, out.String(), errOut.String())
		}
	}
}
