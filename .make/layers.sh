#!/bin/sh
# layers.sh [TREE]: see that TREE (here, if not given) keeps layers.rules,
# and that no .c file has goto or a conditional.
# layers.sh --self-test: see that each kind of breach is refused.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rules=$here/layers.rules
folders='core attest proxy sandbox cmd test'

# Sources below the folders that there are; $1 is a further find test.
sources()
{
	for folder in $folders; do
		[ ! -d "$folder" ] || find "$folder" -type f -name "$1"
	done
}

check_includes()
{
	sources '*.[ch]' | LC_ALL=C sort | xargs -r grep -HnE \
		'^[[:space:]]*#[[:space:]]*include' |
		awk -v rules="$rules" -f "$here/layers.awk"
}

# A jump or a conditional at the start of a line, so not one in a comment.
check_words()
{
	bad=$(sources '*.c' | xargs -r grep -HnE \
		'^[^"/*]*\<goto[[:space:]]+[A-Za-z_]+[[:space:]]*;' || true)
	bad="$bad$(sources '*.c' | grep -v '^test/' | xargs -r grep -HnE \
		'^[[:space:]]*#[[:space:]]*(if|ifdef|ifndef|elif|else)\>' ||
		true)"
	[ -n "$bad" ] || return 0
	printf '%s\n' "$bad" |
		sed 's/$/: no goto, and no conditional in a .c file/'
	return 1
}

check_top()
{
	top=0
	for entry in *; do
		if [ -e "$entry" ] &&
			! grep -qE "^top .*\<$entry( |\$)" "$rules"; then
			echo "$entry: does not belong at the top"
			top=1
		fi
	done
	return $top
}

check_tree()
{
	(
		cd "$1"
		status=0
		check_includes || status=1
		check_words || status=1
		check_top || status=1
		exit $status
	)
}

# try WANT FILE LINE: a tree of that one file, with that line in it.
try()
{
	tree=$(mktemp -d)
	mkdir -p "$tree/$(dirname "$2")"
	printf '%s\n' "$3" >"$tree/$2"
	if check_tree "$tree" >/dev/null; then got=good; else got=bad; fi
	rm -rf "$tree"
	[ "$got" = "$1" ] && return
	echo "layers: self-test: $2 with '$3' is $got, should be $1" >&2
	exit 1
}

self_test()
{
	try good core/a.c '#include "core/slice.h"'
	try bad core/a.c '#include "core/io/loop.h"'
	try bad core/a.c '#include "attest/claims.h"'
	try bad core/a.c '#include "slice.h"'
	try bad core/a.c '#include "../core/slice.h"'
	try bad core/a.h '#include "build/version.h"'
	try good core/io/a.c '#include "core/slice.h"'
	try bad core/io/a.c '#include "sandbox/spec.h"'
	try good attest/tee/a.c '#include "attest/claims.h"'
	try good attest/a.c '#include "attest/tee/tee.h"'
	try good attest/a.c '#include "core/io/loop.h"'
	try bad attest/a.c '#include "proxy/keyring.h"'
	try bad attest/a.c '#include "sandbox/spec.h"'
	try bad attest/tee/a.h '#include "cmd/applets.h"'
	try good proxy/adapter/a.c '#include "proxy/fields.h"'
	try bad proxy/a.c '#include "attest/claims.h"'
	try bad proxy/a.c '#include "sandbox/spec.h"'
	try bad sandbox/a.c '#include "attest/claims.h"'
	try bad sandbox/a.c '#include "proxy/keyring.h"'
	try good cmd/a.c '#include "sandbox/spec.h"'
	try good cmd/portal/a.c '#include "attest/claims.h"'
	try bad cmd/a.c '#include "test/test.h"'
	try good test/core/a.c '#include "proxy/fields.h"'
	try good core/io/a.c '#include <event2/event.h>'
	try bad core/a.c '#include <event2/event.h>'
	try bad proxy/a.c '#  include <event2/event.h>'
	try good core/io/tls.c '#include <mbedtls/ssl.h>'
	try bad core/crypto.c '#include <mbedtls/ssl.h>'
	try bad core/io/conn.c '#include <mbedtls/ssl_ciphersuites.h>'
	try good core/crypto.c '#include <mbedtls/gcm.h>'
	try bad core/crypto.h '#include <mbedtls/gcm.h>'
	try bad attest/a.c '#include <psa/crypto.h>'
	try bad core/crypto.c '#include "mbedtls/gcm.h"'
	try bad test/core/a.c '#include <mbedtls/gcm.h>'
	try good core/json.c '#include <cjson/cJSON.h>'
	try bad core/conf.c '#include <cjson/cJSON.h>'
	try good sandbox/seccomp.c '#include <seccomp.h>'
	try bad sandbox/profile.c '#include <seccomp.h>'
	try good sandbox/profile.c '#include <linux/seccomp.h>'
	try good sandbox/disk_luks.c '#include <libcryptsetup.h>'
	try bad sandbox/rootfs.c '#include <libcryptsetup.h>'
	try good core/gzip.c '#include <zlib.h>'
	try bad sandbox/tar.c '#include <zlib.h>'
	try bad core/a.c '	goto out;'
	try good core/a.c '/* no goto out; here */'
	try bad core/a.c '#ifdef X'
	try bad core/a.c '# if X'
	try good core/a.h '#ifndef X'
	try bad notes.txt 'x'
	try bad lib/a.c 'int x;'
	try good man/confd.1 'x'
	try good .ci/run 'x'
}

case ${1-.} in
--self-test) self_test ;;
*) check_tree "${1-.}" && echo '  LAYERS  kept' ;;
esac
