package tenancy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"gopkg.in/yaml.v3"

	"digione/internal/tenancy/keys"
)

// ReadManifest reads the tenants that a YAML file describes, one or many
// documents. All faults are reported at once, each with file and line; what could
// be read is returned beside them, so that a caller can add its own.
func ReadManifest(r io.Reader, name string) ([]Spec, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Read twice: the nodes tell where things stand, but would drop unknown keys.
	nodes, d := yaml.NewDecoder(bytes.NewReader(text)), yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var specs []Spec
	var faults []error
	for {
		var node yaml.Node
		if err := nodes.Decode(&node); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
			break
		}
		var spec Spec
		err := d.Decode(&spec)
		if len(node.Content) == 0 {
			continue
		}
		var typed *yaml.TypeError
		if errors.As(err, &typed) {
			faults = append(faults, misspelt(name, typed)...)
			continue
		}
		at := Place{name, node.Content[0].Line}
		if err == nil {
			spec.place(&node, at)
			specs = append(specs, spec)
			err = spec.Check()
		}
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				faults = append(faults, fmt.Errorf("%s: %s", placeOf(node.Content[0], at, line), line))
			}
		}
	}
	return specs, errors.Join(faults...)
}

var (
	faultLine  = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)
	unknownKey = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
)

// misspelt says of keys and values that do not fit where they stand.
func misspelt(name string, typed *yaml.TypeError) []error {
	var out []error
	for _, text := range typed.Errors {
		at := Place{File: name}
		if m := faultLine.FindStringSubmatch(text); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		if m := unknownKey.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("unknown key %q; correct the spelling or delete the line", m[1])
		}
		out = append(out, fmt.Errorf("%s: %s", at, text))
	}
	return out
}

// placeOf is where a fault of the settings stands, as near as its own words tell.
func placeOf(root *yaml.Node, at Place, fault string) Place {
	path, _, _ := strings.Cut(fault, " ")
	if !strings.HasPrefix(path, "settings.") {
		return at
	}
	keys := strings.Split(strings.Trim(path, ",:"), ".")
	for n := len(keys); n > 0; n-- {
		if found := below(root, keys[:n]...); found != nil {
			at.Line = found.Line
			break
		}
	}
	return at
}

// place notes where things stand in the manifest.
func (s *Spec) place(doc *yaml.Node, at Place) {
	root := doc.Content[0]
	s.At, s.WavesAt = at, at
	if w := below(root, "settings", "joining", "waves"); w != nil {
		s.WavesAt.Line = w.Line
	}
	list := below(root, "providers")
	for i := range s.Providers {
		s.Providers[i].At = at
		if list != nil && i < len(list.Content) {
			s.Providers[i].At.Line = list.Content[i].Line
		}
	}
}

// below returns what stands under keys, one inside the other; nil when it is not
// written there.
func below(n *yaml.Node, keys ...string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if len(keys) == 0 {
		return n
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == keys[0] {
			return below(n.Content[i+1], keys[1:]...)
		}
	}
	return nil
}

// Change is one difference between a tenant and its description.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// Diff says what Update would change. A field that the description leaves out
// stays as it is.
func Diff(t Tenant, s Spec) []Change {
	out := []Change{}
	add := func(field, from, to string) {
		if to != "" && from != to {
			out = append(out, Change{field, from, to})
		}
	}
	add("name_fi", t.NameFi, s.NameFi)
	add("name_sv", t.NameSv, s.NameSv)
	add("name_en", t.NameEn, s.NameEn)
	add("kind", t.Kind, s.Kind)
	add("municipality_code", t.MunicipalityCode, s.MunicipalityCode)
	add("business_id", t.BusinessID, s.BusinessID)
	add("organisation_oid", t.OrganisationOID, s.OrganisationOID)
	add("ring", t.Ring, s.Ring)
	add("cell", t.Cell, s.Cell)
	add("cluster", t.Cluster, s.Cluster)
	hosts := slices.Sorted(slices.Values(s.Hosts))
	add("hosts", strings.Join(t.Hosts, " "), strings.Join(hosts, " "))
	from, _ := json.Marshal(t.Settings)
	to, _ := json.Marshal(s.Settings.stored())
	if !bytes.Equal(from, to) {
		out = append(out, Change{"settings", string(from), string(to)})
	}
	return out
}

// stored are settings as they come back: an empty list is none.
func (s Settings) stored() (out Settings) {
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err) // plain data
	}
	return out
}

// MayUpdate returns what stands in the way of Update, beside the other tenants.
func (o *Operator) MayUpdate(t Tenant, s Spec, others []Tenant) error {
	if t.State.Gone() {
		return fmt.Errorf("tenant %s is %s and stays as it is; take its manifest away", t.Slug, t.State)
	}
	if s.Cell != "" && s.Cell != t.Cell {
		return fmt.Errorf("tenant %s is in cell %s; a manifest does not move it: tenantctl tenant move %s --cell %s", t.Slug, t.Cell, t.Slug, s.Cell)
	}
	if s.Cluster != "" && s.Cluster != t.Cluster {
		return fmt.Errorf("tenant %s is on cluster %s; a manifest does not move it: tenantctl tenant move %s --cell CELL --cluster %s", t.Slug, t.Cluster, t.Slug, s.Cluster)
	}
	return o.Clash(o.As(t, s), others)
}

// Update brings a tenant to its description, in one transaction.
func (o *Operator) Update(ctx context.Context, t Tenant, s Spec) error {
	list, err := o.rivals(ctx, o.As(t, s))
	if err != nil {
		return err
	}
	if err := o.MayUpdate(t, s, list); err != nil {
		return err
	}
	settings, err := json.Marshal(s.Settings)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sqlUpdateTenant, pgx.StrictNamedArgs{"id": t.ID, "kind": s.Kind, "name_fi": s.NameFi, "name_sv": s.NameSv,
			"name_en": s.NameEn, "municipality_code": s.MunicipalityCode, "business_id": s.BusinessID, "oid": s.OrganisationOID,
			"ring": s.Ring, "settings": settings})
		if err == nil && len(s.Hosts) > 0 {
			if _, err = tx.Exec(ctx, "delete from control.tenant_host where tenant = $1 and host <> all ($2)", t.ID, s.Hosts); err == nil {
				_, err = tx.Exec(ctx, "insert into control.tenant_host (host, tenant) select h, $1 from unnest($2::text[]) h where h <> all ($3)", t.ID, s.Hosts, t.Hosts)
			}
		}
		if err != nil {
			return conflict(err, s)
		}
		return nil
	})
}

const sqlUpdateTenant = `
update control.tenant
   set kind = coalesce(nullif(@kind, ''), kind), name_fi = coalesce(nullif(@name_fi, ''), name_fi),
       name_sv = coalesce(nullif(@name_sv, ''), name_sv), name_en = coalesce(nullif(@name_en, ''), name_en),
       municipality_code = coalesce(nullif(@municipality_code, ''), municipality_code),
       business_id = coalesce(nullif(@business_id, ''), business_id),
       organisation_oid = coalesce(nullif(@oid, ''), organisation_oid),
       ring = coalesce(nullif(@ring, ''), ring), settings = @settings
 where id = @id`

// RotateKeys gives a tenant new encryption keys; what the old ones wrote stays
// readable.
func (o *Operator) RotateKeys(ctx context.Context, t Tenant) error {
	k, err := keys.Unwrap(o.cfg.Master, string(t.ID), t.keyset)
	if err != nil {
		return err
	}
	next, err := k.Rotate()
	if err != nil {
		return err
	}
	b, err := next.Wrap(o.cfg.Master, string(t.ID))
	if err != nil {
		return err
	}
	tag, err := o.pool.Exec(ctx, "update control.tenant set keyset = $2 where id = $1 and keyset = $3", t.ID, b, t.keyset)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("keys of %s were changed meanwhile; run the command again", t.Slug)
	}
	return err
}
