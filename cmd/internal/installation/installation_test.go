package installation

import (
	"bytes"
	"sync"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
)

// TestKeysetCache: keys are opened once and kept by the tenant; whoever asks, at a time
// with whomever, gets their own, and what they seal opens by no other's.
func TestKeysetCache(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	in := &Installation{master: dbtest.Master, opened: map[tenancy.ID]openedKeys{}}
	twins := map[tenancy.ID]tenancy.ID{dbtest.Alpha: dbtest.Beta, dbtest.Beta: dbtest.Alpha}
	of := func(id tenancy.ID) *keys.Keyset {
		tenant, _ := db.ByID(id)
		k, err := in.Keyset(tenant)
		if err != nil {
			t.Error(err)
		}
		return k
	}
	hashes := map[tenancy.ID][]byte{}
	for id := range twins {
		h, err := of(id).Hash([]byte("010180-999A"))
		if err != nil {
			t.Fatal(err)
		}
		hashes[id] = h
	}
	if bytes.Equal(hashes[dbtest.Alpha], hashes[dbtest.Beta]) {
		t.Error("the twins hash by one key")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				for id, twin := range twins {
					sealed, err := of(id).Seal([]byte("salaisuus"), "x")
					if err != nil {
						t.Error(err)
					}
					if _, err := of(twin).Open(sealed, "x"); err == nil {
						t.Error("what one twin has sealed opens by the other's keys")
					}
					if h, err := of(id).Hash([]byte("010180-999A")); err != nil || !bytes.Equal(h, hashes[id]) {
						t.Errorf("another hash than before: %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	if len(in.opened) != 2 {
		t.Errorf("%d keysets are kept", len(in.opened))
	}
}
