package kit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestCancelled: whoever cancels is told how to go on, once, whatever the error says.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for text, err := range map[string]error{
		"plain":       context.Canceled,
		"says it too": fmt.Errorf("step schema: %w; run the command again", context.Canceled),
		"another":     errors.New("nothing was changed, run the command again"),
	} {
		var said bytes.Buffer
		cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return err }}
		Run(ctx, cmd, nil, &said)
		if n := strings.Count(said.String(), "run the command again"); n != 1 {
			t.Errorf("%s: said %d times: %s", text, n, said.String())
		}
	}
}
