package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// authenticator gives a browser a key that its holder touches at once.
func authenticator(t *testing.T, ctx context.Context) webauthn.AuthenticatorID {
	t.Helper()
	_, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{})
	ok(t, err)
	r, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
	ok(t, err)
	return r.AuthenticatorID
}

// TestPasskey adds a passkey as an operator does, comes in by it, and is kept out
// without it: no page opens and nothing can be changed.
func TestPasskey(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	at := func(path string) string { return fmt.Sprintf("http://operator.test:%d%s", w.port, path) }
	ctx := browser(t, chromedp.Flag("unsafely-treat-insecure-origin-as-secure", at("")))
	do(t, ctx, "open", chromedp.Navigate(at("/")))
	key := authenticator(t, ctx)
	enter := func() {
		do(t, ctx, "way in", chromedp.Click(`main a[href*="/alku"]`))
		do(t, ctx, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, ctx, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, "Paula Operaattori")))
	}
	out := func() {
		do(t, ctx, "sign out", chromedp.Evaluate[bool](`(() => { document.querySelector('form[action="/kirjaudu-ulos"]').requestSubmit(); return true })()`))
		do(t, ctx, "signed out", chromedp.WaitVisible(`main a[href*="/alku"]`))
	}
	enter()
	do(t, ctx, "my keys", chromedp.Click(`nav a[href="/avaimet"]`))
	do(t, ctx, "form", chromedp.WaitVisible(`#nimi`))
	look(t, ctx, "ops-keys-none")
	do(t, ctx, "name", chromedp.Evaluate[bool](`(() => { document.querySelector('#nimi').value = 'Työkone'; return true })()`))
	do(t, ctx, "add", chromedp.Click(`form[action="/avaimet"] button`))
	do(t, ctx, "added", chromedp.WaitVisible(`form[action="/avaimet/poista"]`))
	look(t, ctx, "ops-keys")
	out()
	enter()
	do(t, ctx, "asked", chromedp.WaitVisible(`form[data-passkey=get]`))
	look(t, ctx, "ops-key")
	for _, path := range []string{"/", "/loki", "/t/alpha", "/avaimet", "/liittyjat"} {
		do(t, ctx, path, chromedp.Navigate(at(path)))
		if is := do(t, ctx, "where", chromedp.Evaluate[string](`location.pathname`)); is != "/avain" {
			t.Errorf("%s opens %s without the key", path, is)
		}
	}
	do(t, ctx, "show", chromedp.Click(`form[data-passkey=get] button`))
	do(t, ctx, "inside", chromedp.WaitVisible(`nav a[href="/loki"]`))
	do(t, ctx, "log", chromedp.Navigate(at("/loki")))
	if text := do(t, ctx, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`)); !strings.Contains(text, "Avaimen näyttö") || !strings.Contains(text, "Avaimen lisäys") {
		t.Errorf("the log does not tell of it:\n%s", text)
	}
	out()
	_, err := chromedp.Call(ctx, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: key})
	ok(t, err)
	authenticator(t, ctx) // somebody else's
	enter()
	do(t, ctx, "asked", chromedp.WaitVisible(`form[data-passkey=get]`))
	do(t, ctx, "show", chromedp.Click(`form[data-passkey=get] button`))
	do(t, ctx, "refused", chromedp.Poll[bool](`document.querySelector('[role=status]').textContent !== ''`))
	do(t, ctx, "still out", chromedp.Navigate(at("/loki")))
	if is := do(t, ctx, "where", chromedp.Evaluate[string](`location.pathname`)); is != "/avain" {
		t.Errorf("without the key: %s", is)
	}
	out()
	n, err := w.env.Operator.Accounts(context.Background())
	ok(t, err)
	for _, a := range n {
		if a.Name == "Paula Operaattori" {
			if gone, err := w.env.Operator.ForgetPasskeys(context.Background(), a.ID); err != nil || gone != 1 {
				t.Errorf("forget: %d, %v", gone, err)
			}
		}
	}
	enter()
	do(t, ctx, "in again", chromedp.WaitVisible(`nav a[href="/loki"]`))
}
