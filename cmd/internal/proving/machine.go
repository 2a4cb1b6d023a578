package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used, or several together.
type usage struct {
	cpu     time.Duration
	private int64 // bytes that no other process shares
	rss     int64
}

// ticks of the kernel's clock in a second, on Linux.
const ticks = 100

func usageOf(pids []int) (u usage) {
	for _, pid := range pids {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			_, rest, _ := bytes.Cut(b, []byte(") "))
			if f := strings.Fields(string(rest)); len(f) > 14 {
				for _, n := range f[11:15] { // its own, and that of children that have ended: of backends, at the postmaster
					spent, _ := strconv.Atoi(n)
					u.cpu += time.Duration(spent) * time.Second / ticks
				}
			}
		}
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(line, ":")
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			switch name {
			case "Private_Clean", "Private_Dirty":
				u.private += kb << 10
			case "Rss":
				u.rss += kb << 10
			}
		}
	}
	return u
}

// postgres are the server's processes, by its data folder.
func postgres(dataDirectory string) (pids []int) {
	b, err := os.ReadFile(filepath.Join(dataDirectory, "postmaster.pid"))
	if err != nil {
		return nil
	}
	first, _, _ := strings.Cut(string(b), "\n")
	parent, _ := strconv.Atoi(first)
	pids = append(pids, parent)
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, name := range all {
		b, _ := os.ReadFile(name)
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && bytes.Contains(b, fmt.Appendf(nil, "\nPPid:\t%d\n", parent)) {
			pids = append(pids, pid)
		}
	}
	return pids
}
