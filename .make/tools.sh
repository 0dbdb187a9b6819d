#!/bin/sh
# tools.sh: install the programs that the end-to-end tests play with, where
# the machine lacks them.  By command, not by package: Node.js, say, comes in
# more than one packaging.
set -eu

here=$(dirname "$0")
want=
while read -r command package; do
	command -v "$command" >/dev/null || want="$want $package"
done <<'TABLE'
bash bash
curl curl
ip iproute2
nginx nginx-light|nginx-core|nginx
node nodejs
npm npm
openssl openssl
python3 python3
setpriv util-linux
tcpdump tcpdump
TABLE
[ -n "$want" ] || exit 0
# shellcheck disable=SC2086 # a list of words
"$here/need.sh" $want
