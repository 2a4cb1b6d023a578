package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/objects"
	"digione/internal/app/objects/objectstest"
	"digione/internal/app/onboarding"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
	"digione/internal/tenancy/keys"
	"digione/internal/tenancy/transfer"
)

var background = context.Background()

// hasty is the product's patience, only shorter, and without its pause: each step meets the
// fault itself.
var hasty = objects.Patience{Dial: 300 * time.Millisecond, Still: short(500, 400) * time.Millisecond, Whole: short(1200, 900) * time.Millisecond, Rate: 1 << 20, Pause: time.Millisecond}

// longest is how long a step may take until it is said that it is away: a call's time,
// and what is beside it, under the race detector and beside other work.
const longest = 10 * time.Second

const bucket = "varasto-7f3"

var admin = peopletest.ID("admin")

// stock is the product over a real S3 server, behind a proxy.
type stock struct {
	*testing.T
	e        *dbtest.Env
	proxy    *proxy
	server   *objectstest.Server
	store    objects.Store
	tenant   tenancy.Tenant
	svc      *roster.Service
	desk     *roster.Desk
	evidence onboarding.Evidence
	moves    *transfer.Service
	site     *webtest.Site
	owner    *pgx.Conn
}

func keyset(t tenancy.Tenant) (*keys.Keyset, error) {
	return keys.Unwrap(dbtest.Master, string(t.ID), t.WrappedKeyset())
}

// newStock mounts the pages with a deadline of requests.
func newStock(t *testing.T, patience objects.Patience, deadline time.Duration) *stock {
	t.Helper()
	s := &stock{T: t, e: dbtest.New(t), server: objectstest.Start(t)}
	s.server.Bucket(t, bucket)
	s.proxy = newProxy(t, strings.TrimPrefix(s.server.Endpoint, "http://"))
	s.store = patience.S3(s.server.Client(func(o *s3.Options) {
		o.BaseEndpoint, o.RetryMaxAttempts, o.HTTPClient = aws.String("http://"+s.proxy.addr), 3, patience.HTTP()
	}), bucket, "")
	s.tenant, _ = s.e.DB.ByID(dbtest.Alpha)
	s.svc = &roster.Service{DB: s.e.DB, Objects: s.store, Keyset: keyset, Now: time.Now, Part: 4 << 10}
	s.desk = roster.NewDesk(s.svc, slog.New(slog.DiscardHandler))
	s.desk.Beat = 20 * time.Millisecond
	t.Cleanup(func() { s.desk.Shutdown(background) })
	s.evidence = onboarding.Evidence{DB: s.e.DB, Store: s.store, Keyset: keyset}
	of := func(t tenancy.Tenant, k *keys.Keyset) objects.Files { return objects.For(s.store, t.ID, k) }
	s.moves = &transfer.Service{Operator: s.e.Operator, Now: time.Now, Files: transfer.Files{
		Get: func(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, key string, sum [32]byte) (io.ReadCloser, error) {
			return of(t, k).Get(ctx, key, sum)
		},
		Put: func(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, key string, r io.Reader) ([32]byte, error) {
			i, err := of(t, k).Put(ctx, key, r)
			return i.SHA256, err
		},
		Erase: func(ctx context.Context, id tenancy.ID) (int, error) { return objects.Erase(ctx, s.store, id) },
	}}
	for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		peopletest.In(t, s.e.DB, id, "", func(seed peopletest.Seed) {
			seed.School("Kilteri")
			seed.Grant(seed.Person("admin", peopletest.Person{}), "districtAdministrator", peopletest.ID("provider"))
		})
	}
	process, err := onboarding.Service(s.e.DB, s.e.Operator, "test")
	s.check(err)
	_, err = process.Start(background, s.tenant, joining.Actor{Account: "paula", Side: joining.Tiera}, "", "2027")
	s.check(err)
	s.site = webtest.Within(s.e.DB, deadline, func(r *web.Router) {
		roster.Routes(r, s.desk)
		onboarding.Routes(r, s.e.DB, onboarding.Served(s.e.DB, time.Now), s.evidence)
	})
	s.owner, err = pgx.Connect(background, s.e.DSN)
	s.check(err)
	t.Cleanup(func() { _ = s.owner.Close(background) })
	return s
}

func (s *stock) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// school is a roster of a night.
func (s *stock) school(night int) []byte {
	s.Helper()
	var b bytes.Buffer
	learners := 120
	if full {
		learners = 400
	}
	_, err := generate.Write(background, &b, generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfa", NameSv: "Alfa",
		Learners: learners, Seed: 7, SchoolYear: 2027, Mutate: 0.02 * float64(min(night, 1)), Night: night})
	s.check(err)
	return b.Bytes()
}

// paper is a file of evidence that is larger than a connection's first pieces.
func paper(mark string) []byte {
	return webtest.PDF(strings.Repeat(mark+" 0123456789 ", 6000))
}

// errAway is what a step says that people were told of clearly.
var errAway = errors.New("out of reach")

// clear turns an answer or an error into nil or errAway; whatever else people got is
// returned as it is.
func (s *stock) clear(a webtest.Answer) error {
	switch {
	case a.Status == 200 || a.Status == 303:
		return nil
	case a.Status != 503 || a.Wait == "" || !strings.Contains(a.Body, "Tiedostoihin ei"):
		return fmt.Errorf("status %d, Retry-After %q: %.600s", a.Status, a.Wait, a.Body)
	}
	return errors.Join(errAway, s.inside(a.Body))
}

// inside tells whether a page names what is inside.
func (s *stock) inside(body string) error {
	for _, word := range []string{s.proxy.addr, "127.0.0.1", bucket, "uploads/", "rosters/", "joining/", "tnt_", "S3", "EOF", objectstest.Access} {
		if strings.Contains(body, word) {
			return fmt.Errorf("the page says %q", word)
		}
	}
	return nil
}

func away(err error) error {
	if err != nil && errors.As(err, new(*objects.AwayError)) {
		return errAway
	}
	return err
}

// parts sends a package in parts as the script does, and returns its id.
func (s *stock) begin(name string, b []byte) string {
	s.Helper()
	u, err := s.svc.BeginUpload(background, s.tenant, name, int64(len(b)), name, roster.Options{}, "person "+admin.String())
	s.check(err)
	return u.ID.String()
}

// send sends what is missing of a package; page by page, or leaves the check to
// somebody else.
func (s *stock) send(id string, b []byte, byPage bool) error {
	for {
		u, err := s.svc.Upload(background, s.tenant, uuid.MustParse(id))
		if err != nil || u.State != roster.Receiving {
			return err
		}
		from := u.Parts * u.PartSize
		part := b[from:min(len(b), from+u.PartSize)]
		if byPage {
			a := s.site.Send(s, webtest.Alpha, admin, fmt.Sprintf("/oppilastiedot/lahetys/%s/%d", id, u.Parts), "application/octet-stream", bytes.NewReader(part))
			if err := s.clear(a); err != nil {
				return err
			}
		} else if _, err := s.svc.PutPart(background, s.tenant, u.ID, u.Parts, bytes.NewReader(part), "person "+admin.String()); err != nil {
			return away(err)
		}
	}
}

// settled follows a page until nothing runs, and returns where it has led.
func (s *stock) settled(path string) (string, webtest.Answer) {
	s.Helper()
	for end := time.Now().Add(2 * longest); time.Now().Before(end); {
		a := s.site.Get(s, webtest.Alpha, admin, path)
		switch {
		case a.Status == 303:
			path = a.Location
		case strings.Contains(a.Body, "data-ask"):
			time.Sleep(20 * time.Millisecond)
		default:
			return path, a
		}
	}
	s.Fatalf("%s never settles", path)
	return "", webtest.Answer{}
}

// told follows a page; done says whether it is as wanted, else it must tell of files
// that are out of reach.
func (s *stock) told(path string, done func(at, body string) bool) error {
	at, a := s.settled(path)
	switch {
	case a.Status == 200 && done(at, a.Body):
		return nil
	case a.Status != 200 || !strings.Contains(a.Body, "Tiedostoihin ei saatu yhteyttä"):
		return fmt.Errorf("%s: %d %s", at, a.Status, a.Body)
	}
	return errors.Join(errAway, s.inside(strings.ReplaceAll(a.Body, string(s.tenant.ID), "")))
}

func (s *stock) post(path string, fields map[string]string) webtest.Answer {
	form := map[string][]string{}
	for k, v := range fields {
		form[k] = []string{v}
	}
	return s.site.Post(s, webtest.Alpha, admin, path, form)
}

func (s *stock) count(sql string, args ...any) (n int) {
	s.Helper()
	s.check(s.owner.QueryRow(background, sql, args...).Scan(&n))
	return n
}

// compared returns rows of a tenant's inventory without an object, and objects without
// a row.
func (s *stock) compared(schema string, id tenancy.ID) (missing, stray []string) {
	s.Helper()
	rows, err := s.owner.Query(background, "select key from "+schema+".object")
	s.check(err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	s.check(err)
	noted := map[string]bool{}
	root := filepath.Join(s.server.Dir, bucket, string(id))
	for _, key := range list {
		noted[key] = true
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(key))); err != nil {
			missing = append(missing, key)
		}
	}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			key, _ := filepath.Rel(root, p)
			if !noted[filepath.ToSlash(key)] {
				stray = append(stray, key)
			}
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Fatal(err)
	}
	return missing, stray
}
