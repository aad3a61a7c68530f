# Reads `go test -v` of many packages. A package's output ends with its closing line: after "ok" that
# line alone is printed, after "FAIL" everything but the tests that passed.

/^=== / || /^ *--- PASS/ { next }
/^ *--- SKIP/ { skipped = skipped "\n" $0 }
/^(ok|\?)[ \t]/ { print; said = ""; fflush(); next }
/^FAIL\t/ { printf "%s%s\n", said, $0; said = ""; fflush(); next }
{ said = said $0 "\n" }

END {
	printf "%s", said
	if (skipped != "") {
		print "FAIL: tests were skipped:" skipped
		exit 1
	}
}
