// Package cluster holds the commands about the PostgreSQL servers that tenants
// lie on.
package cluster

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
)

// New returns "cluster".
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "Add, list and check the PostgreSQL servers that tenants lie on"}
	cmd.AddCommand(newAdd(k), newList(k), newCheck(k))
	return cmd
}

var head = []string{"NAME", "REFERENCE", "CELLS", "TENANTS"}

func row(c tenancy.Cluster) []string {
	return []string{c.Name, c.Reference, strconv.Itoa(c.Cells), strconv.Itoa(c.Tenants)}
}

type addOptions struct {
	*kit.Kit
	env, file string
	dryRun    bool
}

func newAdd(k *kit.Kit) *cobra.Command {
	o := &addOptions{Kit: k}
	cmd := &cobra.Command{
		Use: "add NAME --url-env VARIABLE | --url-file FILE", Short: "Prepare a PostgreSQL server for tenants", Args: kit.Exactly("NAME"),
		Long: `Prepare an empty database on a server of its own for tenants, and enter it into the
catalogue. No tenant goes there by itself: name the cluster, or a cell on it, when
you create or move one. The catalogue keeps where the address is found, never the
address: every host that runs digione or tenantctl needs that variable or file.
Where digione serves, the URL needs neither user nor password.

Doing it twice changes nothing. With another reference for a cluster that stands, the
reference is changed, if it leads to the same database.`,
		Example: `  tenantctl cluster add east --url-env DIGIONE_EAST_URL
  tenantctl cluster add east --url-file /etc/digione/east.url --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := o.reference()
			if err != nil {
				return err
			}
			run := func(in *installation.Installation) error { return o.run(cmd, in, args[0], ref) }
			if o.dryRun {
				return k.With(cmd.Context(), run)
			}
			return k.Change(cmd.Context(), cmd, "", run)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.env, "url-env", "", "the variable that holds the URL")
	f.StringVar(&o.file, "url-file", "", "the file that holds the URL")
	f.BoolVar(&o.dryRun, "dry-run", false, "look whether the server suits, change nothing")
	return cmd
}

func (o *addOptions) reference() (string, error) {
	ref := "env:" + o.env
	switch {
	case (o.env == "") == (o.file == ""):
		return "", kit.Usage("give --url-env or --url-file, one of the two: where the cluster's URL is found")
	case o.file != "":
		path, err := filepath.Abs(o.file)
		if err != nil {
			return "", err
		}
		ref = "file:" + path
	}
	if err := tenancy.CheckReference(ref); err != nil {
		return "", &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	return ref, nil
}

// added is what add says.
type added struct {
	Name      string `json:"name"`
	Reference string `json:"reference"`
	DryRun    bool   `json:"dry_run"`
}

func (o *addOptions) run(cmd *cobra.Command, in *installation.Installation, name, ref string) error {
	o.Note("cluster %s at %s", name, ref)
	if err := in.Operator.AddCluster(cmd.Context(), name, ref, !o.dryRun); err != nil {
		return err
	}
	if o.dryRun {
		o.Say("%s suits; nothing was changed", name)
	} else {
		o.Say("Next: set %s on every host, then: tenantctl tenant create TENANT --cluster %s, or: tenantctl tenant move TENANT --cell CELL --cluster %s", ref, name, name)
	}
	return o.Print(added{name, ref, o.dryRun}, []string{"NAME", "REFERENCE"}, [][]string{{name, ref}})
}

func newList(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the clusters, the one with the catalogue first", Args: kit.Exactly(),
		Long:    "List the clusters, the one with the catalogue first. Connects to none of the others and changes nothing.",
		Example: "  tenantctl cluster list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Operator.Clusters(cmd.Context())
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, c := range list {
					rows = append(rows, row(c))
				}
				return k.Print(list, head, rows)
			})
		},
	}
}

func newCheck(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "check NAME", Short: "Look whether a cluster is reached, and is the one it should be", Args: kit.Exactly("NAME"),
		Long: `Resolve the reference to a cluster's address on this host, connect, look whether the
database is that cluster, and log in as each of its cells. Changes nothing and prints
no secret. Exit 1 when something is wrong.`,
		Example: "  tenantctl cluster check east",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Operator.CheckCluster(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				rows, bad := [][]string{}, 0
				for _, d := range list {
					mark := "✓"
					if !d.OK {
						mark = "✗"
						bad++
					}
					rows = append(rows, []string{mark, d.Check, d.Found, d.Next})
				}
				err = k.Print(list, []string{"", "CHECK", "FOUND", "NEXT"}, rows)
				if bad > 0 {
					err = errors.Join(err, fmt.Errorf("%d findings need someone; each names the next step", bad))
				}
				return err
			})
		},
	}
}
