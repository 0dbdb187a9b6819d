#!/bin/sh
# deps.sh OUT: the libraries that confd links, static, into OUT.
#
# Those that the distribution has as archives are installed; the others are
# built from Debian's source packages into OUT/include and OUT/lib.  OUT is
# made beside and renamed, so it is whole or absent, and it is remade only
# when what it depends on changed (this script, fetch.sh, the Mbed TLS
# configuration).
set -eu

out=$1
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
: "${CC:=gcc}"
jobs=$(nproc)
unset MAKEFLAGS MFLAGS # their makes are not part of ours

"$here/need.sh" gcc libc6-dev make binutils pkg-config patch bzip2 xz-utils \
	libevent-dev libseccomp-dev zlib1g-dev

mkdir -p "$(dirname "$out")"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")

# Two makes at once: the second waits, and finds the first one's work.
exec 9>"$out.lock"
flock 9

stamp()
{
	$CC -dumpfullversion -dumpmachine
	cd "$top"
	find .make/deps.sh .make/fetch.sh core/mbedtls_config.h |
		LC_ALL=C sort | xargs sha256sum
}
want=$(stamp | sha256sum)
if [ "$(cat "$out/stamp" 2>/dev/null)" = "$want" ]; then
	exit 0
fi

work=$out.new
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
rm -rf "$work"
mkdir -p "$work/include" "$work/lib" "$work/src"

flags='-g -fPIE -ffunction-sections -fdata-sections'
flags="$flags -fstack-protector-strong -fstack-clash-protection"
flags="$flags -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
# Mbed TLS's compiled-in GCM is a third faster with the instructions enabled
# than from inline assembly; whether the machine has them is still asked at
# run time.
fast=-O3
if [ "$(uname -m)" = x86_64 ]; then
	flags="$flags -fcf-protection=full"
	fast="$fast -maes -mpclmul"
fi

# unpack NAME [PATCH...]: the upstream sources of NAME with Debian's patches,
# less those named; into src/NAME.
unpack()
{
	name=$1
	shift
	src=$work/src/$name
	mkdir -p "$src"
	tar -xf "$(ls "$work/dl/${name}"_*.orig.tar.*[!c])" \
		-C "$src" --strip-components=1
	tar -xf "$(ls "$work/dl/${name}"_*.debian.tar.*)" -C "$src"
	[ -f "$src/debian/patches/series" ] || return 0
	while read -r file _ || [ -n "$file" ]; do
		case " $* " in *" $file "*) continue ;; esac
		case $file in '' | '#'*) continue ;; esac
		patch -s -d "$src" -p1 <"$src/debian/patches/$file"
	done <"$src/debian/patches/series"
}

# Debian's package leaves out 3rdparty, and with it the fast X25519.
build_mbedtls()
{
	unpack mbedtls cmake-disable-3rdparty.patch
	cd "$work/src/mbedtls"
	cp "$top/core/mbedtls_config.h" include/mbedtls/mbedtls_config.h
	map="-ffile-prefix-map=$PWD=mbedtls"
	make -s -j"$jobs" -C library static CC="$CC" GEN_FILES= \
		CFLAGS="$fast $flags $map" WARNING_CFLAGS='-w' >"$work/log"
	cp library/libmbedtls.a library/libmbedx509.a library/libmbedcrypto.a \
		"$work/lib"
	cp -R include/mbedtls include/psa 3rdparty/everest/include/everest \
		"$work/include"
}

build_cjson()
{
	unpack cjson
	cd "$work/src/cjson"
	# shellcheck disable=SC2086 # a list of words
	$CC -O2 $flags -ffile-prefix-map="$PWD=cjson" -w -c cJSON.c
	ar rcsD "$work/lib/libcjson.a" cJSON.o
	mkdir -p "$work/include/cjson"
	cp cJSON.h "$work/include/cjson"
}

# A library more is a row here and a build_NAME above.
"$here/fetch.sh" "$work/dl" \
	'mbedtls 3.6.3 4' \
	'cjson 1.7.18 2'
for name in mbedtls cjson; do
	echo "  BUILD   $name"
	("build_$name")
done
(cd "$work/dl" && ls ./*.dsc) | sed 's|^\./||; s|\.dsc$||; s|_| |' \
	>"$work/versions"

rm -rf "$work/src" "$work/dl" "$work/log"
echo "$want" >"$work/stamp"
rm -rf "$out"
mv "$work" "$out"
