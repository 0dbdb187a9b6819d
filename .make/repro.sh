#!/bin/sh
# repro.sh DEPS: build the tree in two other folders, and see that the
# programs are the same, byte for byte, with and without debug information.
# DEPS are the libraries, shared; COMMIT is what the builds say they are of.
set -eu

deps=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# What is tracked and what could be; outside git, all but what was made.
list()
{
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -z --cached --others --exclude-standard
	else
		find . -path ./build -prune -o -type f -print0
	fi
}

for tree in one another/much/longer; do
	mkdir -p "$scratch/$tree"
	list | tar --null --ignore-failed-read -T - -cf - |
		tar -C "$scratch/$tree" -xf -
	${MAKE:-make} -s -j"$(nproc)" -C "$scratch/$tree" DEPS="$deps" \
		COMMIT="${COMMIT:-unknown}" all
done
for file in confd confd.stripped; do
	cmp "$scratch/one/build/$file" "$scratch/another/much/longer/build/$file"
done
sum=$(sha256sum <"$scratch/one/build/confd.stripped")
printf '  REPRO   same bytes in two folders: sha256 %s\n' "${sum%% *}"
