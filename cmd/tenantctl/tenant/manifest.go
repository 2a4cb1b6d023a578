package tenant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"digione/cmd/internal/installation"
	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

// described is a tenant as its manifest describes it.
type described struct {
	tenancy.Spec
	providers []identity.Provider
	waves     []joining.Wave
}

// describe reads what a manifest refers to, and checks what only the product
// knows; faults are all there are, each with file and line.
func describe(s tenancy.Spec) (d described, faults []error) {
	d.Spec = s
	for _, w := range s.Settings.Joining.Waves {
		d.waves = append(d.waves, joining.Wave{Name: w.Name, Opens: w.Opens, Schools: w.Schools})
	}
	if err := joining.CheckWaves(d.waves); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			faults = append(faults, fmt.Errorf("%s: settings.joining.waves: %s", s.WavesAt, strings.TrimPrefix(line, joining.ErrInvalid.Error()+": ")))
		}
	}
	seen := map[[2]string]bool{}
	for _, p := range s.Providers {
		wrong := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("%s: providers: "+format, append([]any{p.At}, args...)...))
		}
		secret, err := secretOf(p)
		if err != nil {
			wrong("%w", err)
			secret = "unread" // so that the other faults are told too
		}
		out := identity.Provider{Name: p.Name, Issuer: p.Issuer, ClientID: p.ClientID, Secret: secret, Scopes: p.Scopes,
			LinkClaim: p.LinkClaim, LinkTo: identity.LinkTo(p.LinkTo), Disabled: p.Disabled,
			RequireClaim: p.RequireClaim, RequireValue: p.RequireValue, Strong: p.Strong, StrongACR: p.StrongACR}
		for _, a := range p.Also {
			out.Also = append(out.Also, identity.Link{Claim: a.Claim, To: identity.LinkTo(a.To)})
		}
		for _, k := range p.For {
			out.For = append(out.For, authz.Kind(k))
		}
		if err := out.Apply(p.Profile, s.OrganisationOID); err != nil {
			wrong("profile: %w", err)
		}
		for _, f := range out.Faults() {
			wrong("%w", f)
		}
		if key := [2]string{p.Issuer, p.ClientID}; seen[key] {
			wrong("the client %q of %s stands here twice", p.ClientID, p.Issuer)
		} else {
			seen[key] = true
		}
		d.providers = append(d.providers, out)
	}
	return d, faults
}

// secretOf reads a provider's secret from the file that the manifest names,
// relative to the manifest.
func secretOf(p tenancy.ProviderSpec) (string, error) {
	if p.SecretFile == "" {
		return "", errors.New("secret_file is missing: name the file with the client secret, relative to the manifest")
	}
	path := p.SecretFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(p.At.File), path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		return "", fmt.Errorf("secret_file %s: %w", path, err)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("secret_file %s is empty: write the client secret there", path)
	}
	return secret, nil
}

// differences says what beside the catalogue a manifest would change in a tenant
// that can be entered.
func (d described) differences(ctx context.Context, in *installation.Installation, t tenancy.Tenant) (providers, waves []tenancy.Change, err error) {
	if len(d.providers) > 0 {
		if providers, err = d.newProviders(ctx, in, t); err != nil {
			return nil, nil, err
		}
	}
	if len(d.waves) == 0 {
		return providers, nil, nil
	}
	p, err := process(in)
	if err != nil {
		return nil, nil, err
	}
	state, err := p.State(ctx, t)
	if errors.Is(err, joining.ErrNotStarted) {
		return providers, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	changed, err := state.MayPlan(d.waves)
	if changed {
		waves = []tenancy.Change{{Field: "waves", From: wavesText(state.Waves), To: wavesText(d.waves)}}
	}
	return providers, waves, err
}

func (d described) newProviders(ctx context.Context, in *installation.Installation, t tenancy.Tenant) (out []tenancy.Change, err error) {
	ks, err := in.Keyset(t)
	if err != nil {
		return nil, err
	}
	db, err := in.DB(ctx)
	if err != nil {
		return nil, err
	}
	err = db.Read(ctx, t.ID, func(tx tenancy.Read) error {
		out = nil
		for _, p := range d.providers {
			list, err := identity.DiffProvider(ctx, tx, ks, p)
			if err != nil {
				return err
			}
			out = append(out, list...)
		}
		return nil
	})
	return out, err
}

// putProviders creates or changes the tenant's sign-in providers, all or none.
func (d described) putProviders(ctx context.Context, in *installation.Installation, t tenancy.Tenant) error {
	if len(d.providers) == 0 {
		return nil
	}
	ks, err := in.Keyset(t)
	if err != nil {
		return err
	}
	db, err := in.DB(ctx)
	if err != nil {
		return err
	}
	if err := db.Refresh(ctx); err != nil { // it may have been made just now
		return err
	}
	return db.Write(ctx, t.ID, func(tx tenancy.Write) error {
		for _, p := range d.providers {
			if err := identity.PutProvider(ctx, tx, ks, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// planWaves tells a joining that has started of the manifest's waves.
func (d described) planWaves(ctx context.Context, in *installation.Installation, t tenancy.Tenant, actor string) error {
	p, err := process(in)
	if err != nil {
		return err
	}
	_, err = p.Plan(ctx, t, joining.Actor{Account: actor, Side: joining.Tiera}, d.waves)
	return err
}

// process returns the joining's log, without measurements.
func process(in *installation.Installation) (*joining.Service, error) {
	templates, err := joining.BuiltIn()
	if err != nil {
		return nil, err
	}
	return &joining.Service{Log: joining.Postgres(in.Operator.Control()), Templates: templates, Now: time.Now}, nil
}

func wavesText(waves []joining.Wave) string {
	var out []string
	for _, w := range waves {
		out = append(out, fmt.Sprintf("%s %s %s", w.Name, w.Opens, strings.Join(w.Schools, " ")))
	}
	return strings.Join(out, "; ")
}

// readManifests reads files and folders; a slug may stand once.
func readManifests(names []string) ([]described, error) {
	var specs []described
	var faults []error
	seen := map[string]string{}
	for _, file := range expand(names, &faults) {
		f, err := os.Open(file)
		if err != nil {
			faults = append(faults, fmt.Errorf("%w; let the user that runs this read it", err))
			continue
		}
		list, err := tenancy.ReadManifest(f, file)
		faults = append(faults, err, f.Close())
		for _, s := range list {
			if at := seen[s.Slug]; at != "" {
				faults = append(faults, fmt.Errorf("%s: tenant %q stands in %s already", file, s.Slug, at))
			}
			seen[s.Slug] = file
			d, more := describe(s)
			specs, faults = append(specs, d), append(faults, more...)
		}
	}
	err := errors.Join(faults...)
	if err == nil && len(specs) == 0 {
		err = fmt.Errorf("no manifest in %s; one ends in .yaml", strings.Join(names, ", "))
	}
	return specs, err
}

func expand(names []string, faults *[]error) []string {
	var out []string
	for _, n := range names {
		fi, err := os.Stat(n)
		if err != nil {
			*faults = append(*faults, fmt.Errorf("%w; name a manifest or a folder of manifests with -f", err))
			continue
		}
		if !fi.IsDir() {
			out = append(out, n)
			continue
		}
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			found, _ := filepath.Glob(filepath.Join(n, pattern))
			out = append(out, found...)
		}
	}
	slices.Sort(out)
	return out
}
