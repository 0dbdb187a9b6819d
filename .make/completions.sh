#!/bin/sh
# completions.sh CONFD DATADIR: install the shell completions that CONFD
# writes, where each shell looks for them.
set -eu

confd=$1
data=$2

put()
{
	mkdir -p "$data/$2"
	"$confd" help --completion "$1" >"$data/$2/$3"
	chmod 644 "$data/$2/$3"
}

put bash bash-completion/completions confd
put zsh zsh/site-functions _confd
put fish fish/vendor_completions.d confd.fish
