package cli

import (
	"context"
	"errors"

	"digione/cmd/internal/installation"
	"digione/internal/app"
	"digione/internal/app/identity/devidp"
	"digione/internal/tenancy"
)

// The operators' client at the local provider. No tenant has such a slug. The secret
// is of no value, as those of the tenants' clients.
const (
	operatorClient = "digione-" + tenancy.OperatorSlug
	operatorSecret = "development"
)

// operatorUsers are invented. The last one is no operator: to see how one is refused.
var operatorUsers = []devidp.User{
	{Subject: "op-paula", Username: "paula.operaattori", Name: "Paula Operaattori", Note: "operaattori"},
	{Subject: "op-olli", Username: "olli.operaattori", Name: "Olli Operaattori", Note: "katselija"},
	{Subject: "op-outi", Username: "outi.ulkopuolinen", Name: "Outi Ulkopuolinen", Note: "ei operaattori"},
}

func devOperators(in *installation.Installation, p ports) app.Operators {
	return app.Operators{Host: in.Settings.OperatorHost, Issuer: p.issuer(), ClientID: operatorClient, Secret: operatorSecret}
}

// listOperators adds the demo operators by the code that tenantctl uses.
func listOperators(ctx context.Context, in *installation.Installation, p ports) error {
	for subject, role := range map[string]tenancy.OperatorRole{"op-paula": tenancy.RoleOperator, "op-olli": tenancy.RoleViewer} {
		for _, u := range operatorUsers {
			if u.Subject != subject {
				continue
			}
			a := tenancy.OperatorAccount{Issuer: p.issuer(), Subject: subject, Name: u.Name, Role: role, AddedBy: "digione dev"}
			if err := listOperator(ctx, in, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// listOperator notes a change, and nothing where an account stands as it should.
func listOperator(ctx context.Context, in *installation.Installation, a tenancy.OperatorAccount) error {
	all, err := in.Operator.Accounts(ctx)
	if err != nil {
		return err
	}
	for _, had := range all {
		if had.Issuer == a.Issuer && had.Subject == a.Subject {
			return nil // changed or ended by hand, perhaps
		}
	}
	ended, err := in.Operator.Began(ctx, a.AddedBy, "operator add", "")
	if err != nil {
		return err
	}
	if _, err := in.Operator.PutAccount(ctx, a); err != nil {
		return errors.Join(err, ended(tenancy.Failed, err.Error()))
	}
	return ended(tenancy.Done, "")
}
