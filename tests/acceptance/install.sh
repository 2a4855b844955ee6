#!/bin/sh
# install.sh - what is installed works from where it was installed, by make and by LuaRocks.
# timeout: 900
set -u
cd "$(dirname "$0")/../.." || exit 1

BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
CC=${CC:-gcc}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
LUA=$(command -v lua5.1 || command -v luajit)

count=0
bad=0
# check NAME COMMAND... - a test that passes when the command does; its output is shown when not.
check() {
	name=$1
	shift
	count=$((count + 1))
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $count - $name"
	else
		bad=$((bad + 1))
		echo "not ok $count - $name"
		tail -n 60 "$tmp/log" | sed 's/^/# /'
	fi
}

# The installed command serves a script from somewhere else than the source tree.
serves() (
	command=$1
	cd "$tmp" || exit 1
	echo 'require("httpsrv").register("GET", "/", function(sess) sess:response_append("installed") end)' >one.lua
	rm -f socket
	env -u LUA_PATH -u LUA_CPATH "$command" serve one.lua --listen "unix:$tmp/socket" --workers 0 >server.log 2>&1 &
	server=$!
	tries=0
	until [ -S socket ] || [ $tries = 100 ] || ! kill -0 $server; do
		sleep 0.1
		tries=$((tries + 1))
	done
	answer=$(curl -sS --max-time 10 --unix-socket socket http://localhost/)
	kill -TERM $server
	wait $server
	status=$?
	cat server.log
	echo "answer: $answer, the server's exit status: $status"
	[ "$answer" = installed ] && [ $status = 0 ]
)

version() {
	(cd / && "$1" version)
}

has() {
	folder=$1
	shift
	for file; do
		[ -s "$folder/$file" ] || {
			echo "missing: $folder/$file"
			return 1
		}
	done
}

# Each source file that is to be installed is there, unchanged.
same_files() {
	(cd "$1" && find . -name "$2" -type f) | while read -r file; do
		cmp "$1/$file" "$3/$file" || exit 1
	done
}

cat >"$tmp/embed.c" <<'E'
#include <io_wrapper.h>
#include <modules/listeners/httpsrv.h>
#include <stdio.h>
#include <string.h>

static int
handler(ec_httpsrv_session *sess)
{
    return ec_httpsrv_response_append(sess, "x", 1);
}

int
main(void)
{
    static char text[] = "from memory";
    char buf[32] = "";
    ec_httpsrv_handler_func fn = handler;
    io_object *io = io_wrapper_open_memory(text, sizeof text - 1, MEMTYPE_DONTCARE);
    if (io == NULL || io_wrapper_read(io, buf, sizeof buf) != (int)(sizeof text - 1))
        return 1;
    io_wrapper_delref(io);
    return strcmp(buf, text) != 0 || fn == NULL;
}
E

embed_shared() {
	# shellcheck disable=SC2046
	$CC -Wall -Werror -o "$tmp/embed-shared" "$tmp/embed.c" $(pkg-config --cflags --libs httpsrv) \
		-Wl,-rpath,"$prefix/lib" && "$tmp/embed-shared"
}

embed_static() {
	# shellcheck disable=SC2046
	$CC -Wall -Werror -o "$tmp/embed-static" "$tmp/embed.c" $(pkg-config --cflags httpsrv) \
		$(pkg-config --static --libs httpsrv | sed 's/-lhttpsrv/-l:libhttpsrv.a/') && "$tmp/embed-static" &&
		! ldd "$tmp/embed-static" | grep libhttpsrv
}

# same FILE WHAT - the names in a file are those that the public headers declare.
same() {
	LUA_PATH="$PWD/tests/lint/?.lua" "$LUA" tests/lint/sources.lua public . | LC_ALL=C sort -u >"$tmp/declared"
	[ -s "$tmp/declared" ] || return 1
	LC_ALL=C sort "$1" >"$tmp/there"
	LC_ALL=C comm -23 "$tmp/declared" "$tmp/there" | sed "s/\$/ is declared in a public header and not in $2/" >"$tmp/wrong"
	LC_ALL=C comm -13 "$tmp/declared" "$tmp/there" | sed "s/\$/ is in $2 and not declared in a public header/" >>"$tmp/wrong"
	cat "$tmp/wrong"
	[ ! -s "$tmp/wrong" ]
}

# What is exported is what the public headers declare. Beside it stands, under a version name of its own, what our Lua code
# looks up through the FFI.
exports() {
	nm -D --defined-only --with-symbol-versions "$prefix/lib/libhttpsrv.so" | awk '$2 != "A" { print $3 }' >"$tmp/versioned"
	grep -v '^hs_ffi_[a-z_]*@@HTTPSRV_PRIVATE$' "$tmp/versioned" | sed 's/@@HTTPSRV_[0-9]*$//' >"$tmp/exported"
	same "$tmp/exported" "the shared library"
}

exports_static() {
	nm --defined-only "$prefix/lib/libhttpsrv.a" | awk '$2 ~ /^[BCDGRSTVW]$/ && $3 !~ /^hs_ffi_/ { print $3 }' >"$tmp/exported"
	same "$tmp/exported" "the static library"
}

# The functions that compiled Lua code calls are found in the process: those of the command, and of the library in a program.
ffi_names() {
	sed -n 's/^int \(hs_ffi_[a-z_]*\)(.*/\1/p' lua/httpsrv/fast.lua | sort >"$tmp/wanted"
	[ -s "$tmp/wanted" ] || return 1
	for file in "$prefix/lib/libhttpsrv.so" "$prefix/bin/httpsrv"; do
		nm -D --defined-only "$file" | sed -n 's/.* \(hs_ffi_[a-z_]*\).*/\1/p' | sort | diff "$tmp/wanted" - || return 1
	done
}

# The number of the binary interface is in the library's name, its version names and what a program asks for.
abi() {
	number=$(sed -n 's/^#define HTTPSRV_ABI //p' core/include/httpsrv/server.h)
	version=$(sed -n 's/^#define HTTPSRV_VERSION "\(.*\)"/\1/p' core/include/httpsrv/server.h)
	[ "$(readlink "$prefix/lib/libhttpsrv.so.$number")" = "libhttpsrv.so.$version" ] &&
		readelf -d "$tmp/embed-shared" | grep "NEEDED.*libhttpsrv\.so\.$number\]" &&
		grep -x "HTTPSRV_$number {" core/libhttpsrv.map && [ "$(pkg-config --modversion httpsrv)" = "$version" ]
}

staged=$tmp/stage/opt/httpsrv
check "make install, staged" "$MAKE" --no-print-directory BUILD="$BUILD" install DESTDIR="$tmp/stage" PREFIX=/opt/httpsrv
check "the staged tree names its final place" grep -x 'prefix=/opt/httpsrv' "$staged/lib/pkgconfig/httpsrv.pc"
check "the staged command runs" version "$staged/bin/httpsrv"

prefix=$tmp/prefix
check "make install" "$MAKE" --no-print-directory BUILD="$BUILD" install DESTDIR= PREFIX="$prefix"
check "headers" same_files core/include '*.h' "$prefix/include/httpsrv"
check "Lua modules" same_files lua '*.lua' "$prefix/share/lua/5.1"
check "manual pages" has "$prefix/share/man" man1/httpsrv.1 man5/httpsrv.conf.5
check "the installed command serves a script" serves "$prefix/bin/httpsrv"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
check "a C program against the shared library" embed_shared
check "a C program against the static library" embed_static
check "the shared library exports just its headers" exports
check "so does the static library" exports_static
check "what the FFI looks up is found" ffi_names
check "the library is named by its binary interface" abi
unset PKG_CONFIG_PATH

# In a copy, so that this tree's build is left alone.
mkdir "$tmp/copy" "$tmp/tree"
tar -c --exclude=./.git --exclude=./build --exclude=./httpsrv --exclude=./tests . | tar -x -C "$tmp/copy"
rock=$tmp/tree/lib/luarocks/rocks-5.1/httpsrv/scm-1
make_rock() (
	unset BUILD DESTDIR PREFIX MAKEFLAGS MAKELEVEL MFLAGS
	cd "$tmp/copy" && luarocks make --tree "$tmp/tree" httpsrv-scm-1.rockspec
)
check "luarocks make" make_rock
check "the rock's library and headers" has "$rock/c" lib/libhttpsrv.a lib/libhttpsrv.so lib/pkgconfig/httpsrv.pc \
	include/httpsrv/io_wrapper.h include/httpsrv/modules/listeners/httpsrv.h
check "the rock's Lua modules" same_files lua '*.lua' "$tmp/tree/share/lua/5.1"
check "the rock's manual pages" has "$rock/share/man" man1/httpsrv.1 man5/httpsrv.conf.5
check "the rock's command serves a script" serves "$tmp/tree/bin/httpsrv"

echo "1..$count"
[ $bad = 0 ]
