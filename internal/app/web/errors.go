package web

import (
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/objects"
	"digione/internal/tenancy"
)

var statusOf = map[fault.Kind]int{
	fault.Invalid:   fiber.StatusUnprocessableEntity,
	fault.NotFound:  fiber.StatusNotFound,
	fault.Forbidden: fiber.StatusForbidden,
	fault.Conflict:  fiber.StatusConflict,
	fault.Internal:  fiber.StatusInternalServerError,
}

// answer shows an error: its kind as the status, its key as a sentence, and the
// request's id. The error's own text goes to the log and nowhere else.
func (r *Router) answer(c *fiber.Ctx, rq *Request, err error) {
	status, key := r.classify(c, err)
	if status >= 500 {
		r.cfg.Log.Error("request failed", "request", rq.ID, "tenant", string(rq.Tenant.ID),
			"action", string(rq.Action), "error", err.Error())
	}
	if perr := r.errorPage(c, rq, status, key); perr != nil {
		r.cfg.Log.Error("error page failed", "request", rq.ID, "error", perr.Error())
		_ = c.Status(fiber.StatusInternalServerError).SendString(rq.ID)
	}
}

func (r *Router) classify(c *fiber.Ctx, err error) (status int, key string) {
	if busy := (*tenancy.BusyError)(nil); errors.As(err, &busy) {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, int(math.Ceil(busy.RetryAfter.Seconds())))))
		return fiber.StatusTooManyRequests, "error.busy"
	}
	if moving := (*tenancy.MovingError)(nil); errors.As(err, &moving) {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(moving.RetryAfter.Seconds()))))
		return fiber.StatusServiceUnavailable, "error.moving"
	}
	if lost := (*tenancy.LostError)(nil); errors.As(err, &lost) {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(lost.RetryAfter.Seconds()))))
		if lost.Unsure {
			return fiber.StatusServiceUnavailable, "error.unsure"
		}
		return fiber.StatusServiceUnavailable, "error.lost"
	}
	if away := (*objects.AwayError)(nil); errors.As(err, &away) {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(away.RetryAfter.Seconds()))))
		return fiber.StatusServiceUnavailable, "error.files"
	}
	if errors.Is(err, tenancy.ErrNoCluster) {
		c.Set(fiber.HeaderRetryAfter, "60")
		return fiber.StatusServiceUnavailable, "error.unreached"
	}
	if errors.Is(err, tenancy.ErrLeaving) {
		return fiber.StatusForbidden, "error.leaving"
	}
	if errors.Is(err, tenancy.ErrGone) {
		return fiber.StatusGone, "error.sealed"
	}
	if fe := (*fiber.Error)(nil); errors.As(err, &fe) {
		return ofFiber(fe.Code)
	}
	if errors.Is(err, context.DeadlineExceeded) && fault.KindOf(err) == fault.Internal {
		c.Set(fiber.HeaderRetryAfter, "5")
		return fiber.StatusServiceUnavailable, "error.slow"
	}
	kind, key := fault.KindOf(err), fault.Key(err)
	if !i18n.Has(key) {
		key = plainKey[kind]
	}
	return statusOf[kind], key
}

// plainKey is the sentence for an error whose own has no translation.
var plainKey = map[fault.Kind]string{
	fault.Invalid:   "error.invalid",
	fault.NotFound:  "error.notfound",
	fault.Forbidden: "error.forbidden",
	fault.Conflict:  "error.conflict",
	fault.Internal:  "error.internal",
}

func ofFiber(code int) (int, string) {
	switch {
	case code == fiber.StatusNotFound:
		return code, "error.notfound"
	case code == fiber.StatusMethodNotAllowed:
		return code, "error.method"
	case code == fiber.StatusRequestEntityTooLarge:
		return code, "error.toolarge"
	case code >= 400 && code < 500:
		return code, "error.request"
	}
	return fiber.StatusInternalServerError, "error.internal"
}

// lastResort answers what never became a request of ours: broken HTTP, a body
// over the limit.
func (r *Router) lastResort(c *fiber.Ctx, err error) error {
	rq := From(c)
	if rq == nil {
		rq = &Request{ID: RequestID(), Now: r.cfg.Now(), Lang: i18n.Fi, c: c, router: r}
		r.setHeaders(c)
	}
	r.answer(c, rq, err)
	return nil
}

// ErrorPage is all that templates/error.html may use.
type ErrorPage struct {
	Page
	Message string
	Home    bool // whether there is a front page to go to
	Wait    int  // seconds until another try is worth it, 0 when nobody knows
}

func (r *Router) errorPage(c *fiber.Ctx, rq *Request, status int, key string) error {
	page := ErrorPage{Page: rq.Page("error.title"), Message: rq.Lang.T(key), Home: rq.Tenant.ID != "" || rq.router.cfg.Site != nil}
	page.Status = status
	page.Wait, _ = strconv.Atoi(c.GetRespHeader(fiber.HeaderRetryAfter)) // ours, or absent
	return rq.RenderStatus(status, corePages["error"], page)
}
