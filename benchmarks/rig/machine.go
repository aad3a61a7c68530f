package rig

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

// Machine describes where figures were taken.
func Machine() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	model := "unknown processor"
	if m := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); m != nil {
		model = string(m[1])
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores, Linux %s", model, runtime.NumCPU(), strings.TrimSpace(string(kernel)))
}

// Version returns the version that a program tells in what it says when called with args.
func Version(args ...string) string {
	said, _ := exec.Command(args[0], args[1:]...).CombinedOutput() // wrk -v exits 1
	if v := regexp.MustCompile(`\d+\.\d+(\.\d+)?`).Find(said); v != nil {
		return args[0] + " " + string(v)
	}
	return args[0]
}
