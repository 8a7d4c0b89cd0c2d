# Packages of Debian without installing them: lists, keys and files in folders of their own, so that the system's
# sources and packages stay as they are and nobody has to be root. To be sourced; the caller has say and die.

# debian_use makes apt work in DIR alone, on SUITE of Debian's archive: the one that this machine uses, or where it
# is no Debian, the one at DEBIAN_ARCHIVE. TYPE is deb or deb-src.
debian_use() {
	local dir=$1 type=$2 suite=$3 site keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -m 1 'debian/*$' || true)
	site=${DEBIAN_ARCHIVE:-$site}
	[ -n "$site" ] || die "this machine is no Debian, so it does not say where Debian's packages are: name an archive in DEBIAN_ARCHIVE, or install what is missing"
	mkdir -p "$dir"/{lists/partial,cache/archives/partial,parts,keys}
	if [ ! -e "$keyring" ]; then
		(cd "$dir/keys" && debian_apt download debian-archive-keyring && dpkg -x debian-archive-keyring_*.deb .)
		keyring=$dir/keys$keyring
	fi
	echo "$type [signed-by=$keyring] $site $suite main" >"$dir/sources.list"
	cat >"$dir/apt.conf" <<-CONF
		Dir::Etc::sourcelist "$dir/sources.list"; Dir::Etc::sourceparts "$dir/parts";
		Dir::State::lists "$dir/lists"; Dir::Cache "$dir/cache"; APT::Sandbox::User "$(id -un)";
		Acquire::Languages "none"; Acquire::IndexTargets::$type::DEP-11::DefaultEnabled "false";
	CONF
	export APT_CONFIG=$dir/apt.conf
	debian_apt update
}

# debian_unpack puts the files of packages of SUITE below ROOT: of the named ones "alone", or "whole", with all that
# they depend on down to the C library, so that their programs run where another one is installed.
debian_unpack() (
	how=$1 suite=$2 root=$3
	shift 3
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	debian_use "$work" deb "$suite"
	mkdir -p "$root"
	cd "$work/cache/archives"
	case $how in
	alone) debian_apt download "$@" ;;
	whole) debian_apt -o Dir::State::status=/dev/null -o Debug::NoLocking=1 install -y --download-only --no-install-recommends "$@" ;;
	esac
	for package in *.deb; do dpkg -x "$package" "$root"; done
)

# debian_apt speaks only when it fails.
debian_apt() {
	local out
	out=$(DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@" 2>&1) || { echo "$out" >&2; die "apt-get failed"; }
}

# debian_has says whether this machine has what the above needs.
debian_has() { command -v apt-get >/dev/null && command -v dpkg >/dev/null; }
