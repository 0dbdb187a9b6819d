#!/bin/sh
# need.sh PACKAGE...: install what is missing, and only that.
#
# A word may name alternatives, "libclang-rt-dev|libclang-rt-14-dev": the
# first that the distribution has is taken.  Where nothing is missing this
# needs neither root nor a network.
set -eu

have()
{
	status=$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) || return 1
	[ "$status" = 'install ok installed' ]
}

have_any()
{
	for name in $(echo "$1" | tr '|' ' '); do
		! have "$name" || return 0
	done
	return 1
}

offered()
{
	apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'
}

# The first alternative that can be installed.
pick()
{
	for name in $(echo "$1" | tr '|' ' '); do
		if offered "$name"; then
			echo "$name"
			return
		fi
	done
	echo "need: no package $1 here" >&2
	return 1
}

missing=
for word; do
	have_any "$word" || missing="$missing $word"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "need: no apt here; install by hand:$missing" >&2
	exit 1
fi
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo

# An index that cannot be read (a third party's, say) is no reason to stop:
# the installation fails by itself if what it needs is not in the others.
$as_root apt-get -qq update >/dev/null || true
names=
for word in $missing; do
	names="$names $(pick "$word")"
done
echo "  APT    $names"
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
	-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
	install --no-install-recommends $names >/dev/null
