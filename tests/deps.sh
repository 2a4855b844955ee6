#!/bin/sh
# deps.sh [build] - installs the Debian packages that are missing; with "build", only those that
# building and running need, not the tests' tools.
#
# When nothing is missing it asks the network nothing. Elsewhere than on Debian it names what is
# needed and installs nothing.
set -eu

build='gcc libc6-dev make pkg-config libevent-dev zlib1g-dev libssl-dev libjson-c-dev libxml2-dev libcrypt-dev lua-cjson'
tests='libcmocka-dev systemd lua-busted lua-check lua5.1 cppcheck g++ clang libclang-rt-dev luarocks curl procps python3 valgrind strace mandoc man-db lua-ldoc cmark-gfm libjs-lunr chromium'
# Either LuaJIT; the two exclude each other.
luajit='libluajit-5.1-dev libluajit2-5.1-dev'

[ "${1-}" = build ] && wanted=$build || wanted="$build $tests"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps: no apt here; needed, by their Debian names: $wanted, and one of: $luajit" >&2
	exit 0
fi

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | head -n 1)" = installed ]
}

missing=
for p in $wanted; do
	installed "$p" || missing="$missing $p"
done
have_luajit=
for p in $luajit; do
	installed "$p" && have_luajit=1
done
[ -n "$have_luajit" ] || missing="$missing libluajit-5.1-dev"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root=sudo
else
	echo "deps: missing:$missing; install them as root" >&2
	exit 1
fi

echo "deps: installing$missing"
install() {
	# shellcheck disable=SC2086
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing </dev/null
}
# The package lists may be absent or old.
install || { $as_root apt-get update -q </dev/null && install; }
