package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// touched is how many bytes a second the kernel hands out: a backend that is new, or
// that sorts, waits for them.
func touched() float64 {
	const size = 256 << 20
	began := time.Now()
	for range 4 {
		b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return 0
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		_ = syscall.Munmap(b)
	}
	return 4 * size / time.Since(began).Seconds()
}

// roundTrips is how many times a second one byte goes to another goroutine and back.
func roundTrips() (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	one := []byte{1}
	n, began := 0, time.Now()
	for ; time.Since(began) < time.Second; n++ {
		if _, err := c.Write(one); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, one); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}

// yardstick says how fast the machine is at this hour, so that figures of different
// days can be compared: a virtual machine is not always the same.
func yardstick(dir string) error {
	block := make([]byte, 1<<20)
	hash := func(workers int) float64 {
		var n atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for range workers {
			wg.Go(func() {
				for time.Since(began) < time.Second {
					sha256.Sum256(block)
					n.Add(1)
				}
			})
		}
		wg.Wait()
		return float64(n.Load()) / time.Since(began).Seconds()
	}
	say(ofMachine+"SHA-256 by one processor", hash(1), "MiB/s", "", "")
	say(ofMachine+"SHA-256 by all processors", hash(runtime.NumCPU()), "MiB/s", "", "")
	memory := make([]byte, 256<<20)
	copied := memory[128<<20:]
	copy(copied, memory)
	began := time.Now()
	for range 8 {
		copy(copied, memory)
	}
	say(ofMachine+"memory copied", 8*128/time.Since(began).Seconds(), "MiB/s", "", "")
	say(ofMachine+"new memory touched", touched()/1e6, "MB/s", "", "")
	trips, err := roundTrips()
	if err != nil {
		return err
	}
	say(ofMachine+"round trips over a local connection", trips, "per second", "", "one after the other")
	f, err := os.CreateTemp(dir, "yardstick")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close(); _ = os.Remove(f.Name()) }()
	syncs := make([]time.Duration, 0, 100)
	for range cap(syncs) {
		began := time.Now()
		_, err := f.Write(block[:8<<10])
		if err := errors.Join(err, f.Sync()); err != nil {
			return err
		}
		syncs = append(syncs, time.Since(began))
	}
	slices.Sort(syncs)
	say(ofMachine+"8 KiB written and synced: p50", syncs[len(syncs)/2].Seconds()*1e3, "ms", "", "")
	began = time.Now()
	for range 512 {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	say(ofMachine+"written in sequence, synced at the end", 512/time.Since(began).Seconds(), "MiB/s", "", "")
	return nil
}

// usage is what a process has used, or several together.
type usage struct {
	cpu     time.Duration
	private int64 // bytes of the processes' own, not of shared_buffers; what forks share is divided among them
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
			case "Pss_Anon": // Private_Dirty has pages of shared_buffers too that one process alone has touched
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
