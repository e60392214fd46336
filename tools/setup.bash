# SPDX-License-Identifier: BSD-2-Clause
#
# Sourced by tools/quickstart and tools/check: installs Debian packages that are missing.

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# Runs a command with its output in a log, which is shown only when the command fails.
quietly()
{
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 </dev/null && return
	echo "${0##*/}: failed: $*" >&2
	# A build's log: from the first failure on.
	{ grep -A 60 -m 1 '^FAILED' "$log" || tail -n 60 "$log"; } >&2
	echo "${0##*/}: the whole log: $log" >&2
	return 1
}

# need_packages LOG PACKAGE...
need_packages()
{
	local log=$1 package missing=() as_root=()
	shift
	if ! command -v dpkg-query >/dev/null; then
		echo "${0##*/}: not Debian; going on with what is installed" >&2
		return
	fi
	for package; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
			missing+=("$package")
	done
	((${#missing[@]})) || return 0

	if ((EUID != 0)); then
		sudo -n true 2>/dev/null || die "these packages are missing; run this line, then try again:
sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
		as_root=(sudo -n)
	fi
	echo "${0##*/}: installing ${missing[*]}"
	quietly "$log" "${as_root[@]}" apt-get -q update || exit
	quietly "$log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
		--no-install-recommends "${missing[@]}" || exit
}

# What building needs: quickstart installs these, check more.
# shellcheck disable=SC2034 # used by the scripts that source this
build_packages=(gcc libc6-dev cmake ninja-build pkg-config libhwloc-dev libnuma-dev)

# configure FOLDER OPTION...: with Ninja where it is
configure()
{
	local generator=()
	[[ -e $1/CMakeCache.txt ]] || ! command -v ninja >/dev/null || generator=(-G Ninja)
	cmake -S . -B "$1" "${generator[@]}" "${@:2}"
}
