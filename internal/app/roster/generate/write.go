package generate

import (
	"context"
	"io"

	"digione/internal/app/roster/oneroster"
)

// file is one file of the package: its metadata columns and its rows.
type file struct {
	kind oneroster.Type
	meta []string
	rows func(*row) error
}

func (w *world) files() []file {
	return []file{
		{oneroster.Orgs, []string{"oid", "language", "nameSv"}, w.writeOrgs},
		{oneroster.AcademicSessions, nil, w.writeSessions},
		{oneroster.Courses, []string{"credits", "language"}, w.writeCourses},
		{oneroster.Classes, nil, w.writeClasses},
		{oneroster.Users, []string{"hetu", "homeLanguage", "turvakielto", "title"}, w.writeUsers},
		{oneroster.Roles, nil, w.writeRoles},
		{oneroster.Enrollments, nil, w.writeEnrollments},
		{oneroster.Demographics, nil, w.writeDemographics},
	}
}

// write makes the package and counts its rows.
func (w *world) write(ctx context.Context, out io.Writer, rows map[oneroster.Type]int64) error {
	modes := map[oneroster.Type]oneroster.Mode{}
	for _, f := range w.files() {
		modes[f.kind] = oneroster.Bulk
	}
	version := w.spec.Version
	if version == "" {
		version = oneroster.V121
	}
	pack := oneroster.NewWriter(out, version, modes, "DigiOne roster generate")
	for _, f := range w.files() {
		r := newRow(f, func(r *oneroster.Record) error {
			if rows[f.kind]++; rows[f.kind]%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			return pack.Write(r)
		})
		if err := pack.Begin(f.kind, r.metaColumns()); err != nil {
			return err
		}
		if err := f.rows(r); err != nil {
			return err
		}
	}
	return pack.Close()
}
