#!/usr/bin/env bash
# A real Ollama for tests, of the version whose client go.mod names, compiled for the processor alone. It lives below
# .tmp: nothing of the system is changed, and no Ollama that is there already is touched.
#
#   tools/ollama.sh run CMD...   runs CMD with FAIRLEAD_TEST_OLLAMA_SERVER, the program, which tests start themselves
#   tools/ollama.sh install      builds it, where it is not built yet: ten minutes of two cores
#
# OLLAMA_SERVER names a program to take instead; JOBS is how many compilers run at once (all cores).
set -euo pipefail
self=$(realpath "$0")
root=$(dirname "$(dirname "$self")")
home=$root/.tmp/ollama
# shellcheck source=tools/debian.sh
source "$root/tools/debian.sh"

say() { echo "ollama.sh: $*" >&2; }
die() { say "$@"; exit 1; }

version=$(cd "$root" && go list -m -f '{{.Version}}' github.com/ollama/ollama)
program=$home/$version/ollama

install_() (
	[ ! -x "$program" ] || exit 0
	debian_has || die "building Ollama takes headers from packages of Debian, and there is no apt here: set OLLAMA_SERVER to an Ollama $version"
	command -v g++ >/dev/null || die "building Ollama needs g++"
	began=$SECONDS
	say "building Ollama $version, which takes a while"
	mkdir -p "$home/$version"
	# An archive of a Go module leaves out folders named vendor: three libraries that Ollama keeps there come from packages.
	headers=$home/include
	if [ ! -e "$headers/complete" ]; then
		rm -rf "$headers"
		debian_unpack alone trixie "$headers" nlohmann-json3-dev libstb-dev libminiaudio-dev
		(cd "$headers/usr/include" && mkdir -p miniaudio && ln -s ../miniaudio.h miniaudio/miniaudio.h)
		touch "$headers/complete"
	fi
	flags="-g0 -O2 -I$headers/usr/include"
	cd /
	GOFLAGS='' GOBIN=$home/$version CGO_ENABLED=1 CGO_CFLAGS=$flags CGO_CXXFLAGS=$flags \
		go install -p "${JOBS:-$(nproc)}" -trimpath -ldflags "-s -w -X github.com/ollama/ollama/version.Version=${version#v}" \
		"github.com/ollama/ollama@$version"
	say "built in $((SECONDS - began)) s: $("$program" --version 2>/dev/null | grep -o 'client version.*')"
)

run_() {
	[ $# -gt 0 ] || die "run wants a command"
	if [ -z "${OLLAMA_SERVER:-}" ]; then
		install_
		OLLAMA_SERVER=$program
	fi
	[ -x "$OLLAMA_SERVER" ] || die "OLLAMA_SERVER is no program: $OLLAMA_SERVER"
	export FAIRLEAD_TEST_OLLAMA_SERVER=$OLLAMA_SERVER FAIRLEAD_TEST_REQUIRE_OLLAMA=1
	exec "$@"
}

case ${1:-} in
install | run) command=$1 && shift && "${command}_" "$@" ;;
*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$self"; exit 2 ;;
esac
