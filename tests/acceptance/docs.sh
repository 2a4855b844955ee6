#!/bin/sh
# docs.sh - the reference can be made, asks nothing of the network, and its search finds what is there.
# timeout: 300
set -u
cd "$(dirname "$0")/../.." || exit 1

BUILD=${BUILD:-build}
MAKE=${MAKE:-make}
SITE=$BUILD/docs
tmp=$(mktemp -d) || exit 1
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

# Pages load nothing from elsewhere; links in texts may lead there.
nothing_from_outside() {
	grep -rlE '(<script|<img|<link|<iframe)[^>]* (src|href)="([a-z]+:|//)' "$SITE" --include='*.html' && return 1
	grep -lE 'url\(|@import' "$SITE/style.css" && return 1
	grep -lE 'fetch\(|XMLHttpRequest|https?:' "$SITE/site.js" && return 1
	[ "$(find "$SITE" -name '*.html' | wc -l)" -gt 50 ]
}

# The file of the search is what the browser reads: each public function is in it, at a place that is there.
search_has() {
	LUA_PATH='tests/lint/?.lua;tests/api/?.lua;;' lua5.1 tests/api/table.lua list . | cut -f 2 | sort -u >"$tmp/names"
	sed -n 's/^{t:"\([^"]*\)".*u:"\([^"]*\)"},*$/\1 \2/p' "$SITE/search-data.js" | sort -u >"$tmp/found"
	[ -s "$tmp/names" ] || return 1
	while read -r function; do
		place=$(sed -n "s/^$function //p" "$tmp/found" | head -n 1)
		if [ -z "$place" ] || ! grep -q "id=\"${place#*#}\"" "$SITE/${place%%#*}"; then
			echo "the search does not lead to $function"
		fi
	done <"$tmp/names" >"$tmp/lost"
	cat "$tmp/lost"
	[ ! -s "$tmp/lost" ]
}

check "make docs" "$MAKE" --no-print-directory BUILD="$BUILD" docs
check "the pages need nothing from outside" nothing_from_outside
check "the search leads to every function" search_has

echo "1..$count"
[ $bad = 0 ]
