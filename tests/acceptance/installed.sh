#!/bin/sh
# installed.sh - the library as programs meet it: everything here is built from an installed tree alone, found through pkg-config.
# timeout: 1500
#
# tests/installed uses every function, under ASan and UBSan, what any thread may call under TSan as well; the public headers compile alone,
# as C11 and as C++; the examples of embedding and of a module run.
set -u
cd "$(dirname "$0")/../.." || exit 1

BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
CC=${CC:-gcc}
CXX=${CXX:-g++}
JOBS=${JOBS:-2}
tmp=$(mktemp -d) || exit 1
running=
trap 'rm -rf "$tmp"' EXIT

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

quiet_make() {
	"$MAKE" --no-print-directory "$@"
}

# in_prefix MODE COMMAND... - with the tree that is installed for a mode.
in_prefix() (
	trap '[ -z "$running" ] || kill $running' EXIT
	prefix=$tmp/$1
	shift
	PKG_CONFIG_PATH=$prefix/lib/pkgconfig
	export PKG_CONFIG_PATH prefix
	"$@"
)

install_lib() {
	quiet_make -j"$JOBS" BUILD="$BUILD" CC="$CC" MODE="$1" DESTDIR= PREFIX="$tmp/$1" install-lib
}

# --- the program that uses every function ---

build_program() {
	mkdir -p "$prefix/program" && quiet_make -C tests/installed CC="$CC" OUT="$prefix/program" CFLAGS="-g -O1 $1" LDFLAGS="$1"
}

run_program() {
	ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 timeout -k 5 240 "$prefix/program/installed" "$@"
}

# Each function that the library exports is called by some object of the program.
uses_all() {
	nm -D --defined-only --with-symbol-versions "$prefix/lib/libhttpsrv.so" | awk '$2 == "T" && $3 !~ /PRIVATE/ { sub(/@.*/, "", $3); print $3 }' |
		LC_ALL=C sort >"$tmp/exported"
	nm --undefined-only "$prefix"/program/*.o | awk '$1 == "U" { print $2 }' | LC_ALL=C sort -u >"$tmp/called"
	[ "$(wc -l <"$tmp/exported")" -gt 100 ] || return 1
	LC_ALL=C comm -23 "$tmp/exported" "$tmp/called" | sed 's/$/ is used by no file of tests\/installed/' >"$tmp/unused"
	cat "$tmp/unused"
	[ ! -s "$tmp/unused" ]
}

# --- the headers ---

# headers COMPILER OPTION... - each public header compiles without any other before it, and twice.
headers() {
	found=0
	for header in $(cd "$prefix/include/httpsrv" && find . -name '*.h' | sed 's/^\.\///' | sort); do
		found=$((found + 1))
		# shellcheck disable=SC2046
		printf '#include <%s>\n#include <%s>\nint unused;\n' "$header" "$header" |
			"$@" -Wall -Wextra -Werror -pedantic $(pkg-config --cflags httpsrv) -fsyntax-only - || {
			echo "in $header"
			return 1
		}
	done
	[ $found -gt 10 ]
}

# A C++ program finds the functions under their C names.
links_from_cxx() {
	cat >"$tmp/link.cc" <<-'C'
		#include <httpsrv/server.h>
		#include <modules/listeners/httpsrv.h>
		#include <cstring>
		int main() { return std::strcmp(httpsrv_version(), HTTPSRV_VERSION) != 0 || ec_httpsrv_register(nullptr, nullptr, "/", -1, nullptr, nullptr) == 0; }
	C
	# shellcheck disable=SC2046
	"$CXX" -Wall -Wextra -Werror -pedantic $(pkg-config --cflags httpsrv) -o "$tmp/link" "$tmp/link.cc" $(pkg-config --libs httpsrv) \
		-Wl,-rpath,"$prefix/lib" && "$tmp/link"
}

# --- the examples ---

# start LOG COMMAND... - in the background; waits for the socket.
start() {
	log=$1
	shift
	rm -f "$tmp/socket"
	"$@" >"$log" 2>&1 &
	running=$!
	tries=0
	until [ -S "$tmp/socket" ] || [ $tries = 100 ] || ! kill -0 $running 2>/dev/null; do
		sleep 0.1
		tries=$((tries + 1))
	done
}

ended() {
	wait "$running"
	status=$?
	running=
	return $status
}

ask() {
	curl -sS --max-time 20 --unix-socket "$tmp/socket" "$@"
}

# is WANTED GOT
is() {
	[ "$1" = "$2" ] || {
		echo "wanted: $1"
		echo "got: $2"
		return 1
	}
}

# log_says FILE TEXT - now or soon.
log_says() {
	tries=0
	until grep -q "$2" "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || {
			cat "$1"
			return 1
		}
		sleep 0.1
	done
}

module() {
	place=$tmp/module$1
	cp -r examples/module "$place" && quiet_make -C "$place" CC="$CC" CFLAGS="-O2 -Wall -Wextra -Werror" LDFLAGS="$2" || return 1
	mkdir "$place/scripts" && echo 'require("httpsrv").register("GET", "/lua", function(sess) sess:response_append("lua") end)' >"$place/scripts/a.lua"
	"$prefix/bin/httpsrv" routes "$place/scripts" --module "$place/visits.so" | grep 'GET .*/visits/slow' || return 1
	start "$place/log" "$prefix/bin/httpsrv" serve "$place/scripts" --workers 0 --listen "unix:$tmp/socket" --module "$place/visits.so"
	is "visit 1" "$(ask http://localhost/visits)" && is "visit 2" "$(ask http://localhost/visits/slow)" && is "visit 3" "$(ask http://localhost/visits)" &&
		is lua "$(ask http://localhost/lua)" && kill -HUP $running && log_says "$place/log" 'reloaded: generation 2, 3 routes' &&
		is "visit 1" "$(ask http://localhost/visits)" && kill -TERM $running && ended
}

# What is no module says so, and nothing is served; at a reload everything stays as it was.
no_module() {
	echo 'int other;' >"$tmp/other.c" && "$CC" -shared -fPIC -o "$tmp/other.so" "$tmp/other.c" || return 1
	for command in check serve; do
		"$prefix/bin/httpsrv" $command examples/01-hello.lua --module "$tmp/other.so" >"$tmp/out" 2>&1 && return 1
		grep 'other.so: has no httpsrv_module_init' "$tmp/out" || return 1
	done
}

embed() {
	place=$tmp/embed$1
	cp -r examples/embed "$place" && quiet_make -C "$place" CC="$CC" CFLAGS="-O2 -Wall -Wextra -Werror" LDFLAGS="-Wl,-rpath,$prefix/lib" $2 || return 1
	mkdir "$place/scripts"
	# The functions that compiled Lua code calls must be found in this program too.
	cat >"$place/scripts/a.lua" <<-'L'
		local ffi = require "ffi"
		ffi.cdef "int hs_ffi_method(double serial);"
		require("httpsrv").register("GET", "/lua", function(sess)
		  sess:response_append(pcall(function() return ffi.C.hs_ffi_method end) and "found" or "not found")
		end)
	L
	start "$place/log" "$place/embed" "unix:$tmp/socket" "$place/scripts"
	log_says "$place/log" "listening at unix:$tmp/socket" && is "hello, world" "$(ask http://localhost/hello)" &&
		is "hello, you" "$(ask 'http://localhost/hello?name=you')" && is found "$(ask http://localhost/lua)" || return 1
	ask http://localhost/stream | grep -a '^Name:.*embed' || return 1
	echo 'error("on purpose")' >"$place/scripts/b.lua"
	ask -X POST http://localhost/reload && log_says "$place/log" 'still handlers 1: .*on purpose' && is found "$(ask http://localhost/lua)" || return 1
	echo 'require("httpsrv").register("GET", "/b", function(sess) sess:response_append("b") end)' >"$place/scripts/b.lua"
	ask -X POST http://localhost/reload && log_says "$place/log" '^handlers 3' && is b "$(ask http://localhost/b)" || return 1
	is stopping "$(ask -X POST http://localhost/stop)" && ended
}

# --- reloads of the command ---

resident() {
	awk '/^VmRSS/ { print $2 }' "/proc/$1/status"
}

# Many hang-ups: each is heeded or one that follows is, and memory stays level.
many_reloads() {
	place=$tmp/reloads
	mkdir "$place" && cp examples/*.lua "$place" && cp -r examples/lib "$place"
	start "$place/log" "$prefix/bin/httpsrv" serve "$place" --workers 0 --listen "unix:$tmp/socket"
	for round in 1 2 3; do
		i=0
		while [ $i -lt 100 ]; do
			i=$((i + 1))
			kill -HUP $running && ask -o "$place/got" http://localhost/hello || return 1
			grep -q 'Hello' "$place/got" || return 1
		done
		eval "rss$round=$(resident $running)"
	done
	[ "$(grep -c 'reloaded: generation' "$place/log")" -ge 30 ] || return 1
	echo "resident KiB after 100, 200, 300: $rss1 $rss2 $rss3"
	[ "$rss3" -lt $((rss1 + rss1 / 4)) ] || return 1
	grep -q 'reload failed' "$place/log" && return 1
	kill -TERM $running && ended
}

check "the release tree" quiet_make -j"$JOBS" BUILD="$BUILD" CC="$CC" MODE=release DESTDIR= PREFIX="$tmp/release" install
check "headers as C11" in_prefix release headers "$CC" -std=c11 -x c
check "headers as C++" in_prefix release headers "$CXX" -std=c++17 -x c++
check "a C++ program" in_prefix release links_from_cxx
check "a module" in_prefix release module 1 ""
check "a module that is linked with the library" in_prefix release module 2 "-L$tmp/release/lib -Wl,--no-as-needed -lhttpsrv -Wl,-rpath,$tmp/release/lib"
check "what is no module" in_prefix release no_module
check "a program with a server inside" in_prefix release embed 1 ""
check "the same with the library inside too" in_prefix release embed 2 STATIC=1
check "many reloads" in_prefix release many_reloads
check "the library under ASan and UBSan" install_lib asan
check "a program that uses it, built" in_prefix asan build_program "-fsanitize=address,undefined -fno-sanitize-recover=all"
check "every function is used" in_prefix asan uses_all
check "and works" in_prefix asan run_program
check "the library under TSan" install_lib tsan
check "the program, built for it" in_prefix tsan build_program -fsanitize=thread
check "what any thread may call" in_prefix tsan run_program threads jobs pools

echo "1..$count"
[ $bad = 0 ]
