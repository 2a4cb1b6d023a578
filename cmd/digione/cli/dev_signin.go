package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"digione/cmd/internal/installation"
	"digione/internal/app/identity"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/roster/generate"
	"digione/internal/tenancy"
)

// startSignIn runs the local provider and registers it with every tenant, also with
// those that are made while it runs. Each tenant is a client of its own and meets its
// own people alone.
func startSignIn(ctx context.Context, in *installation.Installation, p ports, l net.Listener, log *slog.Logger) (stop func(), err error) {
	db, err := in.DB(ctx)
	if err != nil {
		return nil, err
	}
	svc, err := in.Roster(ctx)
	if err != nil {
		return nil, err
	}
	tenantOf := func(clientID string) (tenancy.Tenant, bool) {
		return db.BySlug(strings.TrimPrefix(clientID, "digione-"))
	}
	idp, err := devidp.New(devidp.Config{
		Issuer: p.issuer(), Dir: filepath.Join(in.Settings.Data, "signin"),
		Client: func(id string) (devidp.Client, bool) {
			if id == operatorClient {
				return devidp.Client{ID: id, Secret: operatorSecret, Name: "DigiOne, operaattorit",
					RedirectURIs: []string{fmt.Sprintf("http://%s:%d/kirjaudu/paluu", in.Settings.OperatorHost, p.app)}}, true
			}
			if id == familyClient {
				return devidp.Client{ID: id, Secret: familySecret, Name: "DigiOne, koti",
					RedirectURIs: []string{fmt.Sprintf("http://%s:%d/kirjaudu/paluu", in.Settings.FamilyHost, p.app)}}, true
			}
			t, ok := tenantOf(id)
			if !ok || id != clientID(t) {
				return devidp.Client{}, false
			}
			c := devidp.Client{ID: id, Secret: clientSecret(t), Name: t.NameFi}
			for _, h := range t.Hosts {
				c.RedirectURIs = append(c.RedirectURIs, fmt.Sprintf("http://%s:%d/kirjaudu/paluu", h, p.app))
			}
			return c, true
		},
		User: func(id, username string) (devidp.User, bool) {
			if list := ownUsers(id); list != nil {
				i := slices.IndexFunc(list, func(u devidp.User) bool { return u.Username == username })
				if i < 0 {
					return devidp.User{}, false
				}
				return list[i], true
			}
			t, ok := tenantOf(id)
			if !ok {
				return devidp.User{}, false
			}
			u, ok, err := svc.FindUser(context.Background(), t.ID, username)
			if err != nil || !ok {
				return devidp.User{}, false
			}
			return devidp.User{Subject: u.SourcedID, Username: u.Username, Name: u.Name, Claims: map[string]any{
				"urn:oid:1.3.6.1.4.1.16161.1.1.27": u.Oppijanumero}}, true
		},
		List: func(id string) []devidp.User {
			if list := ownUsers(id); list != nil {
				return list
			}
			t, _ := tenantOf(id)
			for _, d := range demos {
				if d.Tenant == t.Slug {
					return cast(d)
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	told := map[tenancy.ID]string{}
	registerAll(ctx, in, db, p, told, log)
	srv := &http.Server{Handler: idp, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { // tenants that come while this runs
		defer close(done)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				registerAll(ctx, in, db, p, told, log)
			}
		}
	}()
	return func() { cancel(); <-done; _ = srv.Close() }, nil
}

const registered = "registered"

// registerAll makes the provider known to every tenant that is served and not yet
// known. What stands in a tenant's way is told once and tried again: no tenant
// keeps the others from their sign-in.
func registerAll(ctx context.Context, in *installation.Installation, db *tenancy.DB, p ports, told map[tenancy.ID]string, log *slog.Logger) {
	for _, t := range db.Tenants() {
		if t.State != tenancy.Active || told[t.ID] == registered {
			continue
		}
		said := registered
		if err := register(ctx, in, db, t, p); err != nil {
			said = err.Error()
		}
		if said != registered && said != told[t.ID] && ctx.Err() == nil {
			log.Warn("register the sign-in provider", "tenant", t.Slug, "error", said)
			fmt.Fprintf(os.Stderr, "%s has no sign-in by this provider: %s\n", t.Slug, said)
		}
		told[t.ID] = said
	}
}

// ownUsers are those of a client that is no tenant's, nil for all others.
func ownUsers(client string) []devidp.User {
	switch client {
	case operatorClient:
		return operatorUsers
	case familyClient:
		return familyUsers()
	}
	return nil
}

func register(ctx context.Context, in *installation.Installation, db *tenancy.DB, t tenancy.Tenant, p ports) error {
	ks, err := in.Keyset(t)
	if err != nil {
		return err
	}
	return db.Write(ctx, t.ID, func(tx tenancy.Write) error {
		return identity.PutDevelopmentProvider(ctx, tx, ks, identity.Provider{Name: "Kehityskirjautuminen", Issuer: p.issuer(),
			ClientID: clientID(t), Secret: clientSecret(t), LinkClaim: "preferred_username", LinkTo: identity.ToUsername, Strong: true})
	})
}

func clientID(t tenancy.Tenant) string { return "digione-" + t.Slug }

// clientSecret is of no value: the provider listens on this machine alone and
// asks nobody for a password.
func clientSecret(t tenancy.Tenant) string {
	sum := sha256.Sum256([]byte("development " + string(t.ID)))
	return hex.EncodeToString(sum[:16])
}

// cast are the people of a demo roster to begin with.
func cast(d generate.Spec) []devidp.User {
	c, err := generate.FindCast(thisYear(d))
	if err != nil {
		return nil
	}
	var out []devidp.User
	for _, m := range []struct {
		role string
		generate.Member
	}{{"pääkäyttäjä", c.Admin}, {"rehtori", c.Principal}, {"opettaja", c.Teacher}, {"oppija", c.Learner}, {"huoltaja", c.Guardian},
		{"huoltaja, monta lasta", c.Parent}, {"ruotsink. opettaja", c.SwedishTeacher}} {
		if m.Username != "" {
			out = append(out, devidp.User{Subject: m.SourcedID, Username: m.Username, Name: m.GivenName + " " + m.FamilyName, Note: m.role})
		}
	}
	return out
}
