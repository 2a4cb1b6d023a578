package roster

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// options are what the form says.
func options(rq *web.Request) Options {
	return Options{Lenient: rq.Form("lenient") != "", NoDelete: rq.Form("no_delete") != ""}
}

// receiveTime is how long storing a package that came at once may take.
const receiveTime = 5 * time.Minute

// sendForm takes a package from the plain form.
func (h handlers) sendForm(c *fiber.Ctx, rq *web.Request) error {
	f, err := c.FormFile("file")
	if err != nil || f.Size == 0 {
		return fault.New(fault.Invalid, "roster.error.empty", "no file")
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(rq.Ctx), receiveTime)
	defer cancel()
	u, err := h.desk.Receive(ctx, rq.Tenant, f.Filename, f.Size, in, options(rq), account(rq))
	if err != nil {
		return err
	}
	if err := h.checkNow(ctx, rq, u); err != nil {
		return err
	}
	return c.Redirect(uploadPath(u), fiber.StatusSeeOther)
}

// checkNow begins the check of what has come whole. While something else runs it
// waits for somebody to say so.
func (h handlers) checkNow(ctx context.Context, rq *web.Request, u *Upload) error {
	err := h.noted(ctx, rq, "send "+u.ID.String())
	if err == nil {
		err = h.desk.Check(ctx, rq.Tenant, u, account(rq))
	}
	if fault.KindOf(err) == fault.Conflict {
		return nil
	}
	return err
}

func uploadPath(u *Upload) string { return own + "/paketti/" + u.ID.String() }

// sent is what the script of the form reads.
type sent struct {
	ID    string      `json:"id"`
	Parts int         `json:"parts"`
	Part  int         `json:"part"`
	State UploadState `json:"state"`
	Next  string      `json:"next"`
}

func tell(c *fiber.Ctx, u *Upload) error {
	return c.JSON(sent{u.ID.String(), u.Parts, u.PartSize, u.State, uploadPath(u)})
}

func (h handlers) sendBegin(c *fiber.Ctx, rq *web.Request) error {
	size, err := strconv.ParseInt(rq.Form("size"), 10, 64)
	if err != nil {
		return fault.New(fault.Invalid, "roster.error.upload", "size %q", rq.Form("size"))
	}
	u, err := h.desk.BeginUpload(rq.Ctx, rq.Tenant, rq.Form("name"), size, rq.Form("mark"), options(rq), account(rq))
	if err != nil {
		return err
	}
	return tell(c, u)
}

// mine returns the upload of the address, which another person's is not.
func (h handlers) mine(rq *web.Request) (*Upload, error) {
	u, err := h.uploadOf(rq)
	if err == nil && u.SentBy != account(rq) {
		return nil, authz.Missing("upload")
	}
	return u, err
}

func (h handlers) uploadOf(rq *web.Request) (*Upload, error) {
	id, err := rq.ParamID("upload")
	if err != nil {
		return nil, err
	}
	return h.desk.Upload(rq.Ctx, rq.Tenant, id)
}

func (h handlers) sendState(c *fiber.Ctx, rq *web.Request) error {
	u, err := h.mine(rq)
	if err != nil {
		return err
	}
	return tell(c, u)
}

func (h handlers) sendPart(c *fiber.Ctx, rq *web.Request) error {
	u, err := h.mine(rq)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(c.Params("part"))
	if err != nil || n < 0 {
		return authz.Missing("part")
	}
	came := u.State == Receiving
	if u, err = h.desk.PutPart(rq.Ctx, rq.Tenant, u.ID, n, bytes.NewReader(c.Body()), account(rq)); err != nil {
		return err
	}
	if came && u.State == Received {
		if err := h.checkNow(rq.Ctx, rq, u); err != nil {
			return err
		}
	}
	return tell(c, u)
}

// UploadPage is all that templates/upload.html may use.
type UploadPage struct {
	web.Page
	MayChange bool
	Upload    UploadLine
	Work      *WorkView
	Groups    []GroupView
}

func (h handlers) upload(c *fiber.Ctx, rq *web.Request) error {
	w, err := h.desk.running(rq.Ctx, rq.Tenant)
	if err != nil {
		return err
	}
	u, err := h.uploadOf(rq)
	if err != nil {
		return err
	}
	page := UploadPage{Page: rq.Page("roster.title.upload"), MayChange: rq.Actor.May(authz.RosterChange)}
	if w != nil && w.Upload != nil && *w.Upload == u.ID {
		page.Work = workView(rq.Lang, w)
	}
	names := map[string]string{}
	err = h.desk.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error {
		names, err = namesOfAccounts(rq.Ctx, tx, []string{u.SentBy})
		return err
	})
	if err != nil {
		return err
	}
	if u.Plan != "" && page.Work == nil {
		return c.Redirect(own+"/"+u.Plan, fiber.StatusSeeOther)
	}
	v := viewer{rq.Lang, names}
	page.Upload, page.Groups = v.upload(u, account(rq)), v.groups(u.Totals)
	return rq.Render(pages["upload"], page)
}

func (h handlers) uploadCheck(c *fiber.Ctx, rq *web.Request) error {
	u, err := h.uploadOf(rq)
	if err != nil {
		return err
	}
	if !u.again() {
		return fault.New(fault.Conflict, "roster.error.upload", "upload is %s", u.State)
	}
	if err := h.desk.Check(rq.Ctx, rq.Tenant, u, account(rq)); err != nil {
		return err
	}
	return c.Redirect(uploadPath(u), fiber.StatusSeeOther)
}

func (h handlers) uploadDrop(c *fiber.Ctx, rq *web.Request) error {
	u, err := h.uploadOf(rq)
	if err != nil {
		return err
	}
	if err := h.desk.DropUpload(rq.Ctx, rq.Tenant, u.ID); err != nil {
		return err
	}
	rq.Flash("flash.uploaddropped")
	return c.Redirect(own, fiber.StatusSeeOther)
}
