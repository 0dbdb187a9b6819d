#!/bin/sh
# lint.sh: formatting, and what the checkers of C, man pages and shell say.
# Every checker runs; the first failure does not hide the others.
set -eu

"$(dirname "$0")/need.sh" 'clang-format-14|clang-format' cppcheck mandoc \
	shellcheck

failed=0
check()
{
	name=$1
	shift
	printf '  LINT    %s\n' "$name"
	"$@" || failed=1
}

# Our own sources, in order; $@ are find's tests.
ours()
{
	for folder in core attest proxy sandbox cmd test man .make .ci; do
		[ ! -d "$folder" ] || find "$folder" -type f \( "$@" \)
	done | LC_ALL=C sort
}

sources=$(ours -name '*.c' -o -name '*.h')
units=$(ours -name '*.c')
pages=$(ours -name '*.[1-8]' -path 'man/*')
scripts=$(ours -name '*.sh' -o -path .ci/run -o -path test/run \
	-o -path test/bench/run)

# Versions of clang-format disagree; the tree is formatted by 14.
format=$(command -v clang-format-14 || command -v clang-format)
case $($format --version) in
*'version 14.'*)
	# shellcheck disable=SC2086 # a list of words
	[ -z "$sources" ] || check format \
		"$format" --dry-run -Werror --ferror-limit=3 $sources
	;;
*) echo '  LINT    format: skipped, there is no clang-format 14' ;;
esac

# Versions of cppcheck disagree as well, and the newest find fault with what is
# right: the tree is held to 2.10, which reads ours as C11; what others say is
# shown.
case $(cppcheck --version) in
*' 2.10'*) std=c11 fault=1 ;;
*) std=c23 fault=0 ;;
esac

# Without the libraries' headers cppcheck sees less, but guesses less too.
# shellcheck disable=SC2086 # a list of words
[ -z "$units" ] || check cppcheck cppcheck --quiet --std=$std \
	--enable=warning,portability,performance --error-exitcode=$fault \
	--inline-suppr --suppressions-list=.make/cppcheck.txt \
	-j "$(nproc)" --template='{file}:{line}: {id}: {message}' \
	-D__STDC_VERSION__=202000L -I. $units

# shellcheck disable=SC2086 # a list of words
[ -z "$pages" ] || check man mandoc -Tlint -W warning $pages

# shellcheck disable=SC2086 # a list of words
[ -z "$scripts" ] || check shell shellcheck $scripts

exit $failed
