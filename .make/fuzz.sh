#!/bin/sh
# fuzz.sh SECONDS FUZZER...: run each fuzzer from its corpus; any finding
# fails.
#
# Of build/fuzz/test/fuzz/fuzz_NAME the corpus is test/fuzz/corpus/NAME and
# the dictionary test/fuzz/NAME.dict.  What it learns goes to a scratch
# directory, and what breaks it to build/fuzz/found.
set -eu

seconds=$1
shift
found=build/fuzz/found
mkdir -p "$found"

# The sanitizer's shadow and a kernel with wide address randomisation can
# collide; without randomisation they don't.
fixed='setarch -R'
$fixed true 2>/dev/null || fixed=

failed=0
for fuzzer; do
	name=${fuzzer##*/fuzz_}
	corpus=test/fuzz/corpus/$name
	dict=
	[ ! -f "test/fuzz/$name.dict" ] || dict=-dict=test/fuzz/$name.dict
	scratch=build/fuzz/corpus/$name
	mkdir -p "$scratch"
	[ ! -d "$corpus" ] || cp -R "$corpus/." "$scratch"
	log=build/fuzz/$name.log
	if $fixed "$fuzzer" -max_total_time="$seconds" -timeout=10 \
		-rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$found/$name-" \
		${dict:+"$dict"} "$scratch" >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		printf '  FUZZ    %s: %s runs, nothing found\n' "$name" "$runs"
	else
		tail -n 40 "$log"
		printf '  FUZZ    %s: FAILED, see %s\n' "$name" "$log"
		failed=$((failed + 1))
	fi
done
printf 'fuzzers: %d passed, %d failed\n' $(($# - failed)) "$failed"
[ "$failed" = 0 ]
