package people_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/app/people"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

var id = peopletest.ID

// town is what both tenants hold. "only" is made in alpha alone, see site.
func town(s peopletest.Seed) {
	school, other := s.School("Kilteri"), s.School("Jokela")
	class, far := s.Group("7B", "homeroom", school), s.Group("8A", "homeroom", other)
	maths := s.Group("MA7", "scheduled", school)
	for name, p := range map[string]peopletest.Person{
		"aino": {Given: "Aino Maria", Family: "Mäkinen"}, "eeli": {Family: "Öhman"}, "veil": {Family: "Salattu", Protected: true},
		"adult": {Family: "Täysi-Ikäinen", Born: "2008-11-23"},
	} {
		s.Learner(s.Person(name, p), school, "7", class)
	}
	s.Learner(s.Person("far", peopletest.Person{}), other, "8", far)
	// Three ways of not being at the school any more.
	for _, name := range []string{"gone", "left", "nouser"} {
		s.Learner(s.Person(name, peopletest.Person{}), school, "7", class)
		s.Enrol(maths, id(name), "student")
	}
	s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, status, date_last_modified, row_hash)
values ($1, $2, true, 'x', 'x', 'x', 'test', 'x', 'tobedeleted', now(), '')`, id("row of nouser"), id("nouser"))
	for _, table := range []string{"enrolment", "role_grant"} {
		s.Exec(`update `+table+` set status = 'tobedeleted' where person = $1`, id("gone"))
		s.Exec(`update `+table+` set validity = daterange('2026-08-01', '2026-11-23') where person = $1`, id("left"))
		s.Exec(`update `+table+` set source_user = $1 where person = $2`, id("row of nouser"), id("nouser"))
	}
	for _, name := range []string{"aino", "veil"} {
		s.Enrol(maths, id(name), "student")
	}
	grown := peopletest.Person{Born: "1980-01-01"}
	s.Grant(s.Person("teacher", grown), "teacher", school)
	s.Enrol(maths, id("teacher"), "teacher")
	s.Grant(s.Person("principal", grown), "principal", school)
	s.Grant(s.Person("admin", grown), "districtAdministrator", id("provider"))
	s.Person("guardian", grown)
	for _, child := range []string{"aino", "veil", "adult"} {
		s.Guardian(id("guardian"), id(child))
	}
	s.Person("nobody", peopletest.Person{})
}

func site(t *testing.T) (*webtest.Site, *tenancy.DB) {
	t.Helper()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, " α", town)
	peopletest.In(t, db, dbtest.Alpha, " α", func(s peopletest.Seed) {
		s.Learner(s.Person("only", peopletest.Person{}), id("Kilteri"), "7", id("7B"))
	})
	peopletest.In(t, db, dbtest.Beta, " β", town)
	return webtest.New(db, func(r *web.Router) { people.Routes(r, db) }), db
}

// Who sees whose page: everyone not named under a person gets 404.
var seenBy = map[string]string{
	"aino":      "aino guardian teacher principal admin",
	"eeli":      "eeli principal admin",
	"veil":      "veil guardian teacher principal admin",
	"adult":     "adult principal admin", // 18 today: no guardian any more
	"far":       "far admin",
	"gone":      "gone admin",
	"left":      "left admin",
	"nouser":    "nouser admin",
	"teacher":   "teacher principal admin",
	"principal": "principal admin",
	"admin":     "admin",
	"guardian":  "guardian admin",
	"nobody":    "nobody admin",
	"only":      "only principal admin",
	"no such":   "",
}

func TestWhoSeesWhom(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	for viewer := range seenBy {
		if viewer == "no such" {
			continue
		}
		for target, by := range seenBy {
			want := 404
			if strings.Contains(" "+by+" ", " "+viewer+" ") {
				want = 200
			}
			got := s.Get(t, webtest.Alpha, id(viewer), "/henkilot/"+id(target).String())
			if got.Status != want {
				t.Errorf("%s looks at %s: %d, want %d", viewer, target, got.Status, want)
			}
			if got.Doc(t).Lacks("β"); got.Status == 404 {
				got.Doc(t).Lacks("Testinen", "Kilteri", "Mäkinen", "Salattu")
			}
			if n := events(t, db, id(viewer), id(target)); (n > 0) != (want == 200) {
				t.Errorf("%s looks at %s: %d events", viewer, target, n)
			}
			// The same question at the twin: its own person, or none.
			if twin := s.Get(t, webtest.Beta, id(viewer), "/henkilot/"+id(target).String()); target == "only" && twin.Status != 404 {
				t.Errorf("%s finds alpha's %s at beta: %d", viewer, target, twin.Status)
			} else {
				twin.Doc(t).Lacks("α")
			}
		}
	}
}

const sqlEventsOf = `select count(*)::int from audit_event where actor = $1 and target = $2 and action = 'person.read'`

func events(t *testing.T, db *tenancy.DB, actor, target uuid.UUID) (n int) {
	t.Helper()
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), sqlEventsOf, actor, target).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAddressesOfPersons(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	for _, bad := range []string{"x", "1", strings.ToUpper(id("aino").String()), "{" + id("aino").String() + "}", strings.ReplaceAll(id("aino").String(), "-", ""), uuid.Nil.String()} {
		if got := s.Get(t, webtest.Alpha, id("admin"), "/henkilot/"+url.PathEscape(bad)); got.Status != 404 {
			t.Errorf("%s: %d", bad, got.Status)
		}
	}
}

// What each viewer sees of the same child, and of one under protection.
func TestWhatIsShown(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	const born, number, contact, home, guardians, mark, place = "6.5.2014", "1.2.246.562.24.", "@posti", "Kotikunta", "guardian Testinen", "Tietoja suojattu", "Kilteri"
	for _, c := range []struct {
		viewer, target string
		says, not      []string
	}{
		{"aino", "aino", []string{born, number, contact, home, place, "Aino Maria"}, []string{mark}},
		{"guardian", "aino", []string{born, number, contact, home, place}, []string{guardians, mark}},
		{"teacher", "aino", []string{contact, guardians, place, "040 guardian"}, []string{born, number, home, mark}},
		{"principal", "aino", []string{born, number, contact, home, guardians, place}, []string{mark}},
		{"veil", "veil", []string{"Salattu", born}, []string{contact, home, place, mark, "7B", "MA7", "teacher"}},
		{"guardian", "veil", []string{"Salattu", "ei näytetä tässä"}, []string{contact, home, place, mark, "7B", "MA7", "teacher"}},
		{"teacher", "veil", []string{"Salattu", place, mark}, []string{"veil@posti", "040 veil", home}},
		{"principal", "veil", []string{"Salattu", place, mark}, []string{"veil@posti", "040 veil", home}},
		{"admin", "veil", []string{"Salattu", place, mark}, []string{"veil@posti", "040 veil", home}},
	} {
		got := s.Get(t, webtest.Alpha, id(c.viewer), "/henkilot/"+id(c.target).String())
		doc := got.Doc(t)
		for _, want := range c.says {
			doc.Says("main", want)
		}
		doc.Lacks(c.not...)
		doc.Lacks("hetu", "010101")
	}
}

func TestOwnData(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	doc := s.Get(t, webtest.Alpha, id("guardian"), "/omat-tiedot").Doc(t)
	doc.Says("main", "Aino Mäkinen α")
	doc.Says("main", "7B α, Kilteri α")
	doc.Says("main", "Salattu")
	doc.Lacks("Täysi-Ikäinen", "β")
	doc = s.Get(t, webtest.Alpha, id("aino"), "/omat-tiedot").Doc(t)
	doc.Says("main", "guardian Testinen α")
	doc.Lacks("040 guardian", "guardian@posti")
	if got := s.Get(t, webtest.Alpha, uuid.Nil, "/omat-tiedot"); got.Status != 303 {
		t.Errorf("signed out: %d", got.Status)
	}
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	ask := func(who, q string) webtest.Answer {
		return s.Post(t, webtest.Alpha, id(who), "/haku", url.Values{"nimi": {q}})
	}
	for _, who := range []string{"aino", "guardian", "nobody"} {
		if got := ask(who, "mäkinen"); got.Status != 404 {
			t.Errorf("%s searches: %d", who, got.Status)
		}
		if got := s.Get(t, webtest.Alpha, id(who), "/haku"); got.Status != 404 {
			t.Errorf("%s opens the search: %d", who, got.Status)
		}
	}
	for q, want := range map[string]string{
		"mäki": "Mäkinen α Aino", "MAKI": "Mäkinen α Aino", "aino mäk": "Mäkinen α Aino", "mak ain": "Mäkinen α Aino", "maria": "Mäkinen α Aino",
		"ohm": "Öhman α eeli", "ikäinen": "Täysi-Ikäinen", "salattu": "Salattu α veil",
		"täysi-ikä": "Täysi-Ikäinen", "  mäki \t aino  ": "Mäkinen α Aino",
	} {
		doc := ask("admin", q).Doc(t)
		doc.Says("tbody", want)
		doc.Lacks("β")
	}
	for _, q := range []string{"kinen", "aino öhm", "%%", "__", "nobody", `\\`, "o'neill", `':* | 'a`, `mäk | eeli`, `mäk & 'x`, "mäk:*", "!aino"} {
		doc := ask("admin", q).Doc(t)
		doc.Count("table", 0)
	}
	testinen := ask("admin", "testinen").Doc(t)
	testinen.Says("tbody", "guardian")
	testinen.Lacks("gone", "left", "nouser")
	for _, q := range []string{"", "a", " a ", "ä", strings.Repeat("a", 101), "a\x00b", "\xff\xfe", "a b c d e f g"} {
		if got := ask("admin", q); got.Status != 422 {
			t.Errorf("%q: %d", q, got.Status)
		} else {
			got.Doc(t).Count(".wrong", 1)
		}
	}
	doc := ask("admin", "salattu").Doc(t)
	doc.Says("tbody", "Tietoja suojattu")
	doc.Lacks("Kilteri", "Kotikunta", "@posti", "7B")
	var n int
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), `select count(*)::int from audit_event where action = 'person.search' and target = $1`, id("veil")).Scan(&n)
	})
	if err != nil || n != 2 {
		t.Errorf("two searches showed the person: %d events, %v", n, err)
	}
}

// Whoever has left does not hide those who come after them by name, and the names
// are found by their index.
func TestSearchLooksFurther(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	peopletest.In(t, e.DB, dbtest.Alpha, "", town)
	e.Exec(t, `insert into t_alpha.person (id, given_names, family_name) select gen_random_uuid(), 'Aino', 'Zaanen' || n from generate_series(1, 350) n;
		update t_alpha.person set family_name = 'Zwilgmeyer' where id = '`+id("teacher").String()+`'`)
	err := e.DB.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		hits, err := people.Search(context.Background(), tx, authz.Reach{All: true}, `'z':*`, webtest.Now)
		if err != nil || len(hits) != 1 || !strings.HasPrefix(hits[0].Name, "Zwilgmeyer") {
			t.Errorf("hits: %+v, %v", hits, err)
		}
		var off string
		if err := tx.QueryRow(context.Background(), "select set_config('enable_seqscan', 'off', true)").Scan(&off); err != nil {
			return err
		}
		rows, err := tx.Query(context.Background(), "explain select p.id from person p where p.merged_into is null and "+people.NameWords+" @@ @w::tsquery", pgx.StrictNamedArgs{"w": "'z':*"})
		if err != nil {
			return err
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if text := strings.Join(plan, "\n"); !strings.Contains(text, "person_names_ix") {
			t.Errorf("the index is not used:\n%s", text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever sees more than themself searches among those whom they see: a person is found
// exactly when their page opens, and what was seen is recorded as for the admins.
func TestSearchStaysWithinReach(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	names := map[string]string{"aino": "mäkinen", "eeli": "öhman", "veil": "salattu", "adult": "ikäinen"}
	for viewer, places := range map[string]string{"teacher": "MA7", "principal": "Kilteri"} {
		if got := s.Get(t, webtest.Alpha, id(viewer), "/haku"); got.Status != 200 {
			t.Errorf("%s opens the search: %d", viewer, got.Status)
		} else {
			got.Doc(t).Says("main", "omien koulujesi ja ryhmiesi")
		}
		for target, by := range seenBy {
			if target == viewer || target == "no such" || target == "guardian" {
				continue // nobody searches for themself; a guardian is found by the admins
			}
			name := names[target]
			if name == "" {
				name = target
			}
			found := strings.Contains(s.Post(t, webtest.Alpha, id(viewer), "/haku", url.Values{"nimi": {name}}).Body, "/henkilot/"+id(target).String())
			if want := strings.Contains(" "+by+" ", " "+viewer+" "); found != want {
				t.Errorf("%s (%s) searches for %s: found %v, want %v", viewer, places, target, found, want)
			}
		}
	}
	doc := s.Post(t, webtest.Alpha, id("teacher"), "/haku", url.Values{"nimi": {"salattu"}}).Doc(t)
	doc.Says("tbody", "Tietoja suojattu")
	doc.Lacks("Kilteri", "7B", "@posti")
	if got := s.Post(t, webtest.Alpha, id("principal"), "/haku", url.Values{"nimi": {"mäki"}}); strings.Contains(got.Body, "β") {
		t.Error("the twin's people were found")
	}
	var searches, seen int
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), `select count(*) filter (where target_kind = 'search')::int, count(*) filter (where target = $2)::int from audit_event where action = 'person.search' and actor = $1`,
			id("principal"), id("aino")).Scan(&searches, &seen)
	})
	if err != nil || searches == 0 || seen != 2 {
		t.Errorf("the principal's searches: %d events, %d of the person seen twice, %v", searches, seen, err)
	}
}

// The statement itself finds within the reach and nowhere else.
func TestSearchAsksTheReach(t *testing.T) {
	t.Parallel()
	_, db := site(t)
	ctx := context.Background()
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		for _, c := range []struct {
			reach authz.Reach
			want  int
		}{{authz.Reach{All: true}, 1}, {authz.OnlyUnits(id("Kilteri")), 1}, {authz.OnlyUnits(id("Jokela")), 0}, {authz.OnlyUnits(), 0},
			{authz.OnlyGroups([]uuid.UUID{id("MA7")}), 1}, {authz.OnlyGroups([]uuid.UUID{id("8A")}), 0}} {
			hits, err := people.Search(ctx, tx, c.reach, people.Words(`'maki':*`), webtest.Now)
			if err != nil || len(hits) != c.want {
				t.Errorf("%+v: %d hits, %v", c.reach, len(hits), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// If the event cannot be kept, the page is not shown.
func TestNoPageWithoutEvent(t *testing.T) {
	t.Parallel()
	env := dbtest.New(t)
	peopletest.In(t, env.DB, dbtest.Alpha, " α", town)
	env.Exec(t, `do $$ declare s text; begin for s in select schema_name from control.tenant loop
  execute format('alter table %I.audit_event add constraint full_disk check (false) not valid', s); end loop; end $$`)
	s := webtest.New(env.DB, func(r *web.Router) { people.Routes(r, env.DB) })
	for _, path := range []string{"/omat-tiedot", "/henkilot/" + id("aino").String()} {
		got := s.Get(t, webtest.Alpha, id("admin"), path)
		if got.Status != 500 {
			t.Errorf("%s: %d", path, got.Status)
		}
		got.Doc(t).Lacks("Mäkinen", "full_disk", "admin@")
	}
	got := s.Post(t, webtest.Alpha, id("admin"), "/haku", url.Values{"nimi": {"mäki"}})
	if got.Doc(t).Lacks("Aino"); got.Status != 500 {
		t.Errorf("search: %d", got.Status)
	}
}

// The check of one object and the statement's own filter are one rule.
func TestReachAgrees(t *testing.T) {
	t.Parallel()
	_, db := site(t)
	ctx := context.Background()
	facts := map[string]authz.Object{}
	for name := range seenBy {
		facts[name] = authz.Object{Person: id(name)}
	}
	for _, name := range []string{"aino", "eeli", "veil", "adult", "only", "teacher", "principal"} {
		o := facts[name]
		o.Units = []uuid.UUID{id("Kilteri")}
		if name == "aino" || name == "veil" {
			o.Groups = []uuid.UUID{id("MA7")}
		}
		facts[name] = o
	}
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		for viewer := range seenBy {
			a, err := authz.Load(ctx, tx, id(viewer), webtest.Now)
			if err != nil {
				return err
			}
			for target, o := range facts {
				if target == "no such" {
					continue
				}
				r := a.Reach(authz.PersonRead)
				_, err := people.Get(ctx, tx, a, authz.PersonRead, id(target), webtest.Now)
				if (err == nil) != r.Holds(o) {
					t.Errorf("%s on %s: statement %v, Holds %v", viewer, target, err, r.Holds(o))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestContactsStayInTheDatabase: what a page would hide is not even read.
func TestContactsStayInTheDatabase(t *testing.T) {
	t.Parallel()
	_, db := site(t)
	ctx := context.Background()
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		for _, viewer := range []string{"veil", "aino", "guardian", "teacher", "principal", "admin"} {
			a, err := authz.Load(ctx, tx, id(viewer), webtest.Now)
			if err != nil {
				return err
			}
			for _, target := range []string{"aino", "veil"} {
				p, err := people.Get(ctx, tx, a, authz.PersonRead, id(target), webtest.Now)
				if err != nil {
					continue // out of reach: see TestReachAgrees
				}
				for what, field := range map[string]string{"email": p.Email, "phone": p.Phone, "home municipality": p.HomeMunicipality} {
					if (field == "") != (target == "veil") {
						t.Errorf("%s reads of %s the %s %q", viewer, target, what, field)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSight(t *testing.T) {
	t.Parallel()
	for _, v := range people.Viewers {
		open, veiled := people.SightOf(v, false), people.SightOf(v, true)
		if veiled.Contact || veiled.Home {
			t.Errorf("viewer %d sees whereabouts of a protected person", v)
		}
		if open.Mark {
			t.Errorf("viewer %d sees a mark on a person without protection", v)
		}
		if veiled.Mark == (v == people.Family) {
			t.Errorf("viewer %d: the mark is %v", v, veiled.Mark)
		}
		if veiled.Place == (v == people.Family || v == people.Support || v == people.Officer) {
			t.Errorf("viewer %d: school of a protected person is %v", v, veiled.Place)
		}
	}
}
