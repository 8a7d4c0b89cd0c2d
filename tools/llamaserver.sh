#!/usr/bin/env bash
# A real model server for tests: llama.cpp's llama-server, as Debian builds it, in a folder below .tmp with a C library
# of its own. Nothing of the system is changed, nobody has to be root, and what is there already is taken.
#
#   tools/llamaserver.sh run CMD...   runs CMD with FAIRLEAD_TEST_LLAMA_SERVER, the program, which tests start themselves
#   tools/llamaserver.sh install      fetches it, where it is not there yet: 20 MB
#   tools/llamaserver.sh path         prints where it is, or fails
#
# LLAMA_SERVER names a program to take instead, before the one in PATH and the fetched one.
set -euo pipefail
self=$(realpath "$0")
root=$(dirname "$(dirname "$self")")
home=$root/.tmp/llama
suite=${LLAMA_SUITE:-forky} # of Debian: the oldest that has llama.cpp
# shellcheck source=tools/debian.sh
source "$root/tools/debian.sh"

say() { echo "llamaserver.sh: $*" >&2; }
die() { say "$@"; exit 1; }

path_() {
	if [ -n "${LLAMA_SERVER:-}" ]; then
		[ -x "$LLAMA_SERVER" ] || die "LLAMA_SERVER is no program: $LLAMA_SERVER"
		echo "$LLAMA_SERVER"
	elif command -v llama-server >/dev/null; then
		command -v llama-server
	elif [ -x "$home/llama-server" ]; then
		echo "$home/llama-server"
	else
		return 1
	fi
}

install_() (
	! path_ >/dev/null || exit 0
	debian_has || die "there is no llama-server here and no apt to fetch it: install llama.cpp so that llama-server is in PATH, or name it in LLAMA_SERVER"
	began=$SECONDS
	say "fetching llama.cpp's llama-server from Debian $suite"
	# Made beside its place, so that what is there is whole.
	new=$home.new.$$
	trap 'rm -rf "$new"' EXIT
	debian_unpack whole "$suite" "$new/root" llama.cpp-tools
	loader=$(cd "$new" && find root -name 'ld-linux*.so.*' -print -quit)
	program=$(cd "$new" && find root -name llama-server -type f -perm -u+x -print -quit)
	[ -n "$loader" ] && [ -n "$program" ] || die "Debian's packages of llama.cpp are not as they were: install llama-server, or name it in LLAMA_SERVER"
	# ggml looks for its back ends beside the program, which for it is the loader.
	(cd "$new/$(dirname "$loader")" && find "$new/root/usr/lib" -path '*/ggml/*' -name '*.so' -exec ln -sf --relative {} . \;)
	libraries=$(cd "$new" && find root/usr/lib -name '*.so*' -printf '%h\n' | sort -u | sed "s#^#\$here/#" | paste -sd:)
	cat >"$new/llama-server" <<-RUN
		#!/bin/sh
		here=\$(dirname "\$(realpath "\$0")")
		exec "\$here/$loader" --library-path "$libraries" "\$here/$program" "\$@"
	RUN
	chmod +x "$new/llama-server"
	"$new/llama-server" --version >/dev/null 2>&1 || die "the llama-server of Debian $suite does not run here: install llama.cpp, or name a llama-server in LLAMA_SERVER"
	mkdir -p "$(dirname "$home")"
	rm -rf "$home"
	mv "$new" "$home"
	say "fetched in $((SECONDS - began)) s: $("$home/llama-server" --version 2>&1 | grep -m 1 '^version' || echo of an unknown version)"
)

run_() {
	[ $# -gt 0 ] || die "run wants a command"
	install_
	FAIRLEAD_TEST_LLAMA_SERVER=$(path_)
	export FAIRLEAD_TEST_LLAMA_SERVER FAIRLEAD_TEST_REQUIRE_LLAMA=1
	exec "$@"
}

case ${1:-} in
install | run | path) command=$1 && shift && "${command}_" "$@" ;;
*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$self"; exit 2 ;;
esac
