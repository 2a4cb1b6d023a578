package org

import (
	"embed"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

// Parts holds the tables of schools and groups for other features' pages.
//
//go:embed templates/part_*.html
var Parts embed.FS

var pages = web.Pages(files)

type handlers struct{ db *tenancy.DB }

// Routes mounts the pages of schools and groups.
func Routes(r *web.Router, db *tenancy.DB) {
	h := handlers{db}
	r.Get("/koulut", authz.SchoolRead, h.schools)
	r.Get("/koulut/:school", authz.SchoolRead, h.school)
	r.Get("/ryhmat/:group", authz.GroupRead, h.group)
	r.Nav(web.NavItem{Key: "org.nav.schools", Path: "/koulut", Action: authz.SchoolRead, Order: 20})
}

// SchoolTable is a list of schools as part_tables.html shows it.
type SchoolTable struct {
	web.Page
	Rows []School
}

// GroupTable is a list of groups as part_tables.html shows it.
type GroupTable struct {
	web.Page
	Rows       []Group
	WithSchool bool
}

// SchoolsPage is all that templates/schools.html may use.
type SchoolsPage struct {
	web.Page
	Table SchoolTable
	Fresh Fresh
}

func (h handlers) schools(_ *fiber.Ctx, rq *web.Request) error {
	page := SchoolsPage{Page: rq.Page("org.schools")}
	page.Table.Page = page.Page
	err := h.db.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		page.Table.Rows, err = ListSchools(rq.Ctx, tx, rq.Reach(), rq.Today())
		return err
	})
	if err != nil {
		return err
	}
	if len(page.Table.Rows) > 0 {
		page.Fresh = FreshOf(rq, page.Table.Rows[0].FreshAt)
	}
	return rq.Render(pages["schools"], page)
}

// SchoolPage is all that templates/school.html may use.
type SchoolPage struct {
	web.Page
	School School
	Fresh  Fresh
	Grades []GradeCount
	Most   int // the largest count, the full length of a bar
	Home   GroupTable
	Other  GroupTable
}

func (h handlers) school(_ *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("school")
	if err != nil {
		return err
	}
	var page SchoolPage
	var groups []Group
	err = h.db.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		if page.School, err = GetSchool(rq.Ctx, tx, rq.Reach(), id, rq.Today()); err != nil {
			return err
		}
		if page.Grades, err = CountGrades(rq.Ctx, tx, []uuid.UUID{id}, rq.Today()); err != nil {
			return err
		}
		groups, err = ListGroups(rq.Ctx, tx, rq.Actor.Reach(authz.GroupRead), &id, rq.Today())
		return err
	})
	if err != nil {
		return err
	}
	page.Page = rq.Page("org.title", "Name", page.School.In(rq.Lang))
	page.Fresh = FreshOf(rq, page.School.FreshAt)
	home, other := Split(groups)
	page.Home, page.Other = GroupTable{Page: page.Page, Rows: home}, GroupTable{Page: page.Page, Rows: other}
	for _, g := range page.Grades {
		page.Most = max(page.Most, g.Count)
	}
	return rq.Render(pages["school"], page)
}

// GroupPage is all that templates/group.html may use.
type GroupPage struct {
	web.Page
	Group     Group
	Fresh     Fresh
	Members   []Member
	WithClass bool // the learners come from several home classes
}

func (h handlers) group(_ *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("group")
	if err != nil {
		return err
	}
	var page GroupPage
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.Group, err = GetGroup(rq.Ctx, tx.Read, rq.Reach(), id, rq.Today()); err != nil {
			return err
		}
		if page.Members, err = ListMembers(rq.Ctx, tx.Read, page.Group, !rq.Actor.Has(authz.Support), rq.Today()); err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(page.Members))
		for i, m := range page.Members {
			ids[i] = m.ID
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, ids...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	page.Page = rq.Page("org.title", "Name", page.Group.Title)
	page.Fresh = FreshOf(rq, page.Group.FreshAt)
	page.WithClass = !page.Group.Homeroom
	return rq.Render(pages["group"], page)
}
