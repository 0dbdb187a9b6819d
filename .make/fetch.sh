#!/bin/sh
# fetch.sh DIR 'NAME FROM BELOW'...: download Debian source packages.
#
# For each NAME the newest version FROM <= version < BELOW, of the first
# suite below that has one, is left in DIR.  apt checks the suite's signature
# with the distribution's installed keyring, and through it every file.  The
# machine's own mirror is asked; its apt state is not touched, so neither
# root nor a change of sources is needed.
#
# MIRROR and FAMILY (debian, ubuntu) override what the machine says of itself.
set -eu

dir=$1
shift
# shellcheck source=/dev/null
. /etc/os-release

# Per family: keyring, the suites to look through, components.
case ${FAMILY:-$ID ${ID_LIKE-}} in
*ubuntu*)
	keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
	keyring_package=ubuntu-keyring
	suites='resolute questing plucky'
	components='main universe'
	;;
*debian*)
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	keyring_package=debian-archive-keyring
	suites='trixie forky'
	components=main
	;;
*)
	echo "fetch: neither Debian nor Ubuntu: $ID" >&2
	exit 1
	;;
esac
"$(dirname "$0")/need.sh" "$keyring_package"

# Where this machine gets release $1 from; empty if it doesn't.
mirror_of()
{
	# shellcheck disable=SC2016 # apt's words
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
		sed -n "s/^$1 main //p" | head -n 1
}

base=${MIRROR:-$(mirror_of "$VERSION_CODENAME")}
security=${MIRROR:-$(mirror_of "$VERSION_CODENAME-security")}
if [ -z "$base" ]; then
	echo "fetch: no mirror of $VERSION_CODENAME main in apt's sources" >&2
	exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# apt-get and apt-cache on a state directory of our own; proxies and the like
# still come from the machine's configuration.
own()
{
	tool=$1
	shift
	"$tool" -c "$scratch/apt.conf" "$@"
}

use_suite()
{
	rm -rf "$scratch/apt"
	mkdir -p "$scratch/apt/lists/partial" "$scratch/apt/archives/partial"
	: >"$scratch/apt/status"
	cat >"$scratch/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$scratch/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State "$scratch/apt";
		Dir::State::lists "$scratch/apt/lists";
		Dir::State::status "$scratch/apt/status";
		Dir::Cache "$scratch/apt";
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
	CONF
	by="deb-src [signed-by=$keyring]"
	echo "$by $base $1 $components" >"$scratch/sources.list"
	[ -z "$security" ] ||
		echo "$by $security $1-security $components" \
			>>"$scratch/sources.list"
	# A suite that the mirror lacks has no index; then nothing is found.
	own apt-get -qq update 2>"$scratch/update.log" || true
}

# The newest version of $1 from $2 up and below $3.
version_of()
{
	best=
	for v in $(own apt-cache showsrc --only-source "$1" 2>/dev/null |
		sed -n 's/^Version: //p'); do
		dpkg --compare-versions "$v" ge "$2" &&
			dpkg --compare-versions "$v" lt "$3~" &&
			dpkg --compare-versions "$v" gt "${best:-0~}" &&
			best=$v
	done
	echo "$best"
}

mkdir -p "$dir"
for suite in $suites; do
	[ $# -gt 0 ] || break
	use_suite "$suite"
	for want; do
		shift
		# shellcheck disable=SC2086 # three words
		version=$(version_of $want)
		if [ -z "$version" ]; then
			set -- "$@" "$want"
			continue
		fi
		name=${want%% *}
		echo "  FETCH   $name $version ($suite)"
		(cd "$dir" && own apt-get -qq --download-only source \
			--only-source "$name=$version")
	done
done
if [ $# -gt 0 ]; then
	cat "$scratch/update.log" >&2
	printf 'fetch: no suite of %s has %s\n' "$suites" "$*" >&2
	exit 1
fi
