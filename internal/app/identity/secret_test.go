package identity

import "testing"

func TestStateBelongsToBrowserAndTenant(t *testing.T) {
	t.Parallel()
	browser := NewToken()
	state := newState(browser, "tnt_a")
	if !stateOf(browser, "tnt_a", state) {
		t.Error("refuses its own")
	}
	for name, got := range map[string]bool{
		"another browser": stateOf(NewToken(), "tnt_a", state), "no browser": stateOf("", "tnt_a", state),
		"another tenant": stateOf(browser, "tnt_b", state), "no state": stateOf(browser, "tnt_a", ""),
		"a changed one": stateOf(browser, "tnt_a", "A"+state), "without seal": stateOf(browser, "tnt_a", state[:44]),
	} {
		if got {
			t.Errorf("takes %s", name)
		}
	}
	if newState(browser, "tnt_a") == state {
		t.Error("the same state twice")
	}
}
