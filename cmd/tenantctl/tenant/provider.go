package tenant

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/tenancy"
)

type providerOptions struct {
	*kit.Kit
	p          identity.Provider
	linkTo     string
	secretFile string
	dryRun     bool
	profile    string
	also       []string
	require    string
	meantFor   []string
}

func newProvider(k *kit.Kit) *cobra.Command {
	o := &providerOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "provider TENANT",
		Short: "Set where the people of a tenant sign in, or list it",
		Long: `Add an OpenID Connect provider to a tenant, or change the one with the same issuer
and client. Without --issuer the providers are listed. The client secret is read
from a file and kept encrypted by the tenant's key.

--link-claim names the claim, --link-to the attribute of the roster's people that
it must equal: username, sourced_id, oppijanumero or hetu. Never an e-mail address.
--also names further rules for those who come without that claim. --for says as
whom people come in by it: in such a session they have no other role. A sign-in
is strong where --strong says so of all, or --strong-acr of those with such an acr.

--profile mpassid and --profile suomifi set all of these as those services need
them: MPASSid lets in only whom it names as of the tenant's organisation OID.
The redirect address to register there is https://HOST/kirjaudu/paluu.`,
		Example: `  tenantctl tenant provider vantaa --name "Vantaan koulutunnus" --issuer https://login.example/vantaa --client-id digione --secret-file secret.txt --link-claim preferred_username --link-to username
  tenantctl tenant provider vantaa --name MPASSid --profile mpassid --issuer https://mpass.example --client-id digione --secret-file mpassid.txt
  tenantctl tenant provider vantaa --name Suomi.fi --profile suomifi --issuer https://suomifi.example --client-id digione --secret-file suomifi.txt
  tenantctl tenant provider vantaa`,
		Args: kit.Exactly("TENANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.p.Issuer == "" {
				set := false
				cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { set = set || f.Changed && f.Name != "help" })
				if set {
					return kit.Usage("--issuer is missing: without it the providers are listed, and no other flag is taken")
				}
				return o.list(cmd, args[0])
			}
			return o.put(cmd, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.p.Name, "name", "", "what the button says")
	f.StringVar(&o.p.Issuer, "issuer", "", "issuer, exactly as the provider writes it")
	f.StringVar(&o.p.ClientID, "client-id", "", "client id at the provider")
	f.StringVar(&o.secretFile, "secret-file", "", "file with the client secret")
	f.StringSliceVar(&o.p.Scopes, "scope", nil, "scopes to ask for (default openid, profile)")
	f.StringVar(&o.p.LinkClaim, "link-claim", "", "claim that names the person")
	f.StringVar(&o.linkTo, "link-to", "", "username, sourced_id, oppijanumero or hetu")
	f.StringVar(&o.profile, "profile", "", "mpassid or suomifi: their claims, rules and people")
	f.StringSliceVar(&o.also, "also", nil, "a further rule, as CLAIM=ATTRIBUTE; may be given again")
	f.StringVar(&o.require, "require", "", "a claim that must hold a value, as CLAIM=VALUE")
	f.StringSliceVar(&o.meantFor, "for", nil, "learner, guardian, staff (default all)")
	f.BoolVar(&o.p.Strong, "strong", false, "every sign-in there is strong")
	f.StringSliceVar(&o.p.StrongACR, "strong-acr", nil, "value of acr by which a sign-in is strong; may be given again")
	f.BoolVar(&o.p.Disabled, "disable", false, "nobody signs in by it, and its sessions end")
	f.BoolVar(&o.dryRun, "dry-run", false, "check, change nothing")
	return cmd
}

func (o *providerOptions) put(cmd *cobra.Command, slug string) error {
	if o.secretFile == "" {
		return kit.Usage("--secret-file is missing: name the file with the client secret")
	}
	b, err := os.ReadFile(o.secretFile)
	if err != nil {
		return fmt.Errorf("read client secret: %w; see --secret-file", err)
	}
	o.p.Secret, o.p.LinkTo = strings.TrimSpace(string(b)), identity.LinkTo(o.linkTo)
	if err := o.rules(); err != nil {
		return err
	}
	if o.profile == "" { // a profile asks the tenant
		if err := o.p.Check(); err != nil || o.dryRun {
			return err
		}
	}
	ctx := cmd.Context()
	run := o.Change
	if o.dryRun {
		run = func(ctx context.Context, _ *cobra.Command, _ string, f func(*installation.Installation) error) error {
			return o.With(ctx, f)
		}
	}
	return run(ctx, cmd, slug, func(in *installation.Installation) error {
		o.Note("client %s of %s", o.p.ClientID, o.p.Issuer)
		o.Flags(cmd, "profile", "require", "for", "strong", "strong-acr", "disable")
		t, err := kit.Tenant(ctx, in, slug)
		if err != nil {
			return err
		}
		if err := o.p.Apply(o.profile, t.OrganisationOID); err != nil {
			return kit.Usage("--profile %s: %s", o.profile, err)
		}
		if err := o.p.Check(); err != nil || o.dryRun {
			return err
		}
		ks, err := in.Keyset(t)
		if err != nil {
			return err
		}
		db, err := in.DB(ctx)
		if err != nil {
			return err
		}
		if err := db.Write(ctx, t.ID, func(tx tenancy.Write) error { return identity.PutProvider(ctx, tx, ks, o.p) }); err != nil {
			return err
		}
		for _, h := range t.Hosts {
			o.Say("Register at the provider: https://%s/kirjaudu/paluu", h)
		}
		return nil
	})
}

// rules reads the flags that are pairs.
func (o *providerOptions) rules() error {
	for _, a := range o.also {
		claim, to, ok := strings.Cut(a, "=")
		if !ok {
			return kit.Usage("--also %q: use CLAIM=ATTRIBUTE, such as urn:mpass.id:uid=username", a)
		}
		o.p.Also = append(o.p.Also, identity.Link{Claim: claim, To: identity.LinkTo(to)})
	}
	if o.require != "" {
		var ok bool
		if o.p.RequireClaim, o.p.RequireValue, ok = strings.Cut(o.require, "="); !ok {
			return kit.Usage("--require %q: use CLAIM=VALUE", o.require)
		}
	}
	for _, k := range o.meantFor {
		o.p.For = append(o.p.For, authz.Kind(k))
	}
	return nil
}

func (o *providerOptions) list(cmd *cobra.Command, slug string) error {
	ctx := cmd.Context()
	return o.With(ctx, func(in *installation.Installation) error {
		t, err := kit.Tenant(ctx, in, slug)
		if err != nil {
			return err
		}
		db, err := in.DB(ctx)
		if err != nil {
			return err
		}
		type provider struct {
			ID     string       `json:"id"`
			Name   string       `json:"name"`
			For    []authz.Kind `json:"for"`
			Strong bool         `json:"strong"`
		}
		var views []provider
		var rows [][]string
		err = db.Read(ctx, t.ID, func(tx tenancy.Read) error {
			views, rows = []provider{}, nil
			list, err := identity.ListProviders(ctx, tx)
			for _, p := range list {
				views = append(views, provider{p.ID.String(), p.Name, p.For, p.Strong})
				rows = append(rows, []string{p.ID.String(), p.Name, fmt.Sprint(p.For), strconv.FormatBool(p.Strong)})
			}
			return err
		})
		if err != nil {
			return err
		}
		return o.Print(views, []string{"ID", "NAME", "FOR", "STRONG"}, rows)
	})
}
