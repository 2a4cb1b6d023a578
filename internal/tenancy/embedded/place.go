package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// locate decides where the server of a data folder has its files. PostgreSQL
// refuses to run as root, and its own user may not be able to enter a checkout
// below a private home: then the data lies in a folder of the system's.
func locate(dir string) (place, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return place{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return place{}, fmt.Errorf("make data folder: %w; choose another with --data", err)
	}
	p := place{dir: dir, data: filepath.Join(dir, "postgres")}
	if os.Geteuid() != 0 {
		return p, nil
	}
	if p.cred, err = serverUser(); err != nil {
		return place{}, err
	}
	if enterable(dir, p.cred) {
		return p, nil
	}
	sum := sha256.Sum256([]byte(dir))
	base := filepath.Join("/var/lib/digione", hex.EncodeToString(sum[:6]))
	if err := os.MkdirAll(base, 0o755); err != nil {
		return place{}, fmt.Errorf("the user postgres cannot enter %s, and no other place can be made: %w", dir, err)
	}
	p.data = filepath.Join(base, "postgres")
	return p, nil
}

func serverUser() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL does not run as root and there is no user postgres; install it: make setup")
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// enterable tells whether a user may pass through every folder of a path.
func enterable(dir string, c *syscall.Credential) bool {
	for d := dir; ; d = filepath.Dir(d) {
		fi, err := os.Stat(d)
		if err != nil {
			return false
		}
		st := fi.Sys().(*syscall.Stat_t)
		mode := fi.Mode().Perm()
		ok := mode&0o001 != 0 || (st.Uid == c.Uid && mode&0o100 != 0) || (st.Gid == c.Gid && mode&0o010 != 0)
		if !ok {
			return false
		}
		if d == filepath.Dir(d) {
			return true
		}
	}
}

// Binaries returns the folder of PostgreSQL's programs on this machine.
func Binaries() (string, error) { return place{}.binaries() }

// binaries returns the folder of the server's programs: the version that made
// the data if there is data, else the newest.
func (p place) binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int { n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir))); return n }
	dirs = slices.DeleteFunc(dirs, func(d string) bool { _, err := os.Stat(filepath.Join(d, "postgres")); return err != nil })
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if b, err := os.ReadFile(filepath.Join(p.data, "PG_VERSION")); err == nil {
		made, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		i := slices.IndexFunc(dirs, func(d string) bool { return version(d) == made })
		if i >= 0 {
			return dirs[i], nil
		}
	}
	if len(dirs) > 0 {
		return dirs[0], nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("no PostgreSQL found in /usr/lib/postgresql or on PATH; install it: make setup, or give --database-url")
}
