package operator

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/audit"
	"digione/internal/app/audit/seal"
	"digione/internal/tenancy"
)

func newAudit(k *kit.Kit) *cobra.Command {
	var tenant string
	var limit int
	cmd := &cobra.Command{
		Use: "audit", Short: "Show the operator log, newest first",
		Long: `Show who changed what, when, and how it ended. The log is append-only. A begin
without an end was killed.

The commands below are about another log: the events of one tenant, who saw or
changed whose data, which are sealed in a chain of signed heads.`,
		Example: "  tenantctl audit --tenant vantaa --limit 20",
		Args:    kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Operator.Log(cmd.Context(), tenant, limit)
				if err == nil && tenant != "" && len(list) == 0 { // misspelt, perhaps
					_, err = in.Operator.Find(cmd.Context(), tenant)
				}
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, e := range list {
					rows = append(rows, []string{e.At.Local().Format(time.DateTime), e.Actor, e.Command, e.Tenant, e.Phase, e.Outcome, e.Detail})
				}
				return k.Print(list, []string{"AT", "ACTOR", "COMMAND", "TENANT", "PHASE", "OUTCOME", "DETAIL"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only of this tenant")
	kit.AtLeast(cmd.Flags(), 1, &limit, "limit", 100, "most entries")
	cmd.AddCommand(newSeal(k), newAuditExport(k), newAuditVerify(k), newHead(k))
	return cmd
}

// sealed is what became of one tenant's waiting events.
type sealed struct {
	Tenant string `json:"tenant"`
	Events int    `json:"events"`
	Error  string `json:"error"`
}

func newSeal(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "seal [TENANT]", Short: "Seal audit events that wait, of one tenant or of all", Args: cobra.MaximumNArgs(1),
		Long:    "Seal audit events that wait, of one tenant or of all. A served installation does so every five minutes by itself.",
		Example: "  tenantctl audit seal vantaa",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.Change(cmd.Context(), cmd, strings.Join(args, ""), func(in *installation.Installation) error {
				list, err := served(cmd, in, args)
				if err != nil {
					return err
				}
				out, rows, failed, events := []sealed{}, [][]string{}, 0, 0
				for _, t := range list {
					s := sealed{Tenant: t.Slug}
					if s.Events, err = sealTenant(cmd, in, t); err != nil {
						s.Error, failed = err.Error(), failed+1
					}
					events += s.Events
					out, rows = append(out, s), append(rows, []string{s.Tenant, strconv.Itoa(s.Events), s.Error})
				}
				k.Note("%d events of %d tenants", events, len(list))
				if err := k.Print(out, []string{"TENANT", "EVENTS", "ERROR"}, rows); err != nil || failed == 0 {
					return err
				}
				return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d of %d tenants failed; mend the causes and run it again", failed, len(list))}
			})
		},
	}
}

func served(cmd *cobra.Command, in *installation.Installation, args []string) ([]tenancy.Tenant, error) {
	if len(args) == 1 {
		t, err := kit.Tenant(cmd.Context(), in, args[0])
		return []tenancy.Tenant{t}, err
	}
	db, err := in.DB(cmd.Context())
	if err != nil {
		return nil, err
	}
	return db.Served(), nil
}

func sealTenant(cmd *cobra.Command, in *installation.Installation, t tenancy.Tenant) (int, error) {
	db, err := in.DB(cmd.Context())
	if err != nil {
		return 0, err
	}
	ks, err := in.Keyset(t)
	if err != nil {
		return 0, err
	}
	return audit.Seal(cmd.Context(), db, t, ks, time.Now)
}

// head is the end of a tenant's chain.
type head struct {
	Tenant    string     `json:"tenant"`
	Seq       int        `json:"seq"`
	Hash      string     `json:"hash"`
	PublicKey string     `json:"public_key"`
	Sealed    *time.Time `json:"sealed"`
	Stray     int        `json:"stray"`
}

func newHead(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "head TENANT", Short: "Show the last head of a tenant's chain, to be noted down elsewhere", Args: kit.Exactly("TENANT"),
		Long: `Show the last head of a tenant's chain. Noted down elsewhere, it proves later that
nothing before it was changed. Stray events stand under no head and wait for none:
somebody put them into the database past the product. Exit 1 when there are any.`,
		Example: "  tenantctl audit head vantaa",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				t, err := kit.Tenant(cmd.Context(), in, args[0])
				if err != nil {
					return err
				}
				db, err := in.DB(cmd.Context())
				if err != nil {
					return err
				}
				h := head{Tenant: t.Slug}
				err = db.Read(cmd.Context(), t.ID, func(tx tenancy.Read) error {
					last, ok, err := audit.LastHead(cmd.Context(), tx)
					if err == nil && ok {
						h.Seq, h.Hash, h.PublicKey, h.Sealed = last.Seq, hex.EncodeToString(last.Hash), hex.EncodeToString(last.PublicKey), &last.Sealed
					}
					if err == nil {
						h.Stray, err = audit.Stray(cmd.Context(), tx)
					}
					return err
				}, tenancy.Within(10*time.Minute))
				if err != nil {
					return err
				}
				rows := [][]string{{h.Tenant, strconv.Itoa(h.Seq), h.Hash, h.PublicKey, strconv.Itoa(h.Stray)}}
				if err := k.Print(h, []string{"TENANT", "SEQ", "HASH", "PUBLIC KEY", "STRAY"}, rows); err != nil || h.Stray == 0 {
					return err
				}
				return fmt.Errorf("%d: %w; compare with a backup", h.Stray, audit.ErrStray)
			})
		},
	}
}

func newAuditExport(k *kit.Kit) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export TENANT", Short: "Write a tenant's audit events and their seals to a file", Args: kit.Exactly("TENANT"),
		Long: `Seal what waits, and write the whole chain with its events to a file, one JSON
object a line (docs/audit.md). It names persons by their ids alone. Anybody can
verify it: tenantctl audit verify.`,
		Example: "  tenantctl audit export vantaa --out vantaa-audit.jsonl",
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return kit.Usage("--out is missing; an example: tenantctl audit export %s --out %s-audit.jsonl", args[0], args[0])
			}
			return k.Change(cmd.Context(), cmd, args[0], func(in *installation.Installation) error {
				t, err := kit.Tenant(cmd.Context(), in, args[0])
				if err != nil {
					return err
				}
				if _, err := sealTenant(cmd, in, t); err != nil {
					return err
				}
				if err := exportTo(cmd, in, t, out); err != nil {
					return err
				}
				k.Say("%s written. Next: tenantctl audit verify %s", out, out)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	return cmd
}

// exportTo writes beside the file first: it is whole or not there.
func exportTo(cmd *cobra.Command, in *installation.Installation, t tenancy.Tenant, name string) error {
	db, err := in.DB(cmd.Context())
	if err != nil {
		return err
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = audit.Export(cmd.Context(), db, t, f, time.Now())
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		return os.Rename(part, name)
	}
	return errors.Join(err, os.Remove(part))
}

// verified is what a file was found to be.
type verified struct {
	File    string   `json:"file"`
	Valid   bool     `json:"valid"`
	Tenant  string   `json:"tenant"`
	Heads   int      `json:"heads"`
	Events  int      `json:"events"`
	Pending int      `json:"pending"`
	Seq     int      `json:"seq"`
	Hash    string   `json:"hash"`
	Keys    []string `json:"keys"`
	Error   string   `json:"error"`
}

func newAuditVerify(k *kit.Kit) *cobra.Command {
	var signers, noted []string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Verify a file of audit events, with no database and no installation", Args: kit.Exactly("FILE"),
		Long: `Verify that a file of audit events is whole and unchanged: each event under its
Merkle root, each head chained to the one before and signed. With --key only heads
signed by a key that you trust are taken, with --head the chain must hold a head
that you noted down. Exit 1 when anything is wrong.`,
		Example: `  tenantctl audit verify vantaa-audit.jsonl
  tenantctl audit verify vantaa-audit.jsonl --head 412:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`,
		RunE: func(_ *cobra.Command, args []string) error {
			trust, err := trusted(signers, noted)
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("%w; name a file that tenantctl audit export has written", err)
			}
			defer func() { _ = f.Close() }()
			r, wrong := seal.Verify(f, trust)
			v := verified{File: args[0], Valid: wrong == nil, Tenant: r.Tenant, Heads: r.Heads, Events: r.Events, Pending: r.Pending,
				Seq: r.Last.Seq, Hash: hex.EncodeToString(r.Last.Hash), Keys: []string{}}
			for _, key := range r.Keys {
				v.Keys = append(v.Keys, hex.EncodeToString(key))
			}
			if wrong != nil {
				v.Error = wrong.Error()
			}
			rows := [][]string{{v.File, strconv.FormatBool(v.Valid), v.Tenant, strconv.Itoa(v.Heads), strconv.Itoa(v.Events), strconv.Itoa(v.Pending), v.Hash}}
			if wrong == nil || k.JSON() {
				if err := k.Print(v, []string{"FILE", "VALID", "TENANT", "HEADS", "EVENTS", "PENDING", "LAST HEAD"}, rows); err != nil || wrong == nil {
					return err
				}
			}
			return fmt.Errorf("%s: %w; do not rely on it, and ask for another export", args[0], wrong)
		},
	}
	cmd.Flags().StringSliceVar(&signers, "key", nil, "public key to trust, in hex; may be given again")
	cmd.Flags().StringSliceVar(&noted, "head", nil, "head that was noted down, as SEQ:HASH; may be given again")
	return cmd
}

func trusted(signers, noted []string) (t seal.Trust, err error) {
	for _, s := range signers {
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != 32 {
			return t, kit.Usage("--key %q is no public key; use the 64 digits that tenantctl audit head shows", s)
		}
		t.Keys = append(t.Keys, b)
	}
	t.Heads = map[int][]byte{}
	for _, s := range noted {
		seq, hash, _ := strings.Cut(s, ":")
		n, err := strconv.Atoi(seq)
		b, hexed := hex.DecodeString(hash)
		if err != nil || hexed != nil || n < 1 || len(b) != 32 {
			return t, kit.Usage("--head %q is no head; use SEQ:HASH as tenantctl audit head shows them", s)
		}
		t.Heads[n] = b
	}
	return t, nil
}
